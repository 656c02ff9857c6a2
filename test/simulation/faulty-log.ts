import type { Clock } from '../../src/clock.ts';
import { AppendOutcomeUnknown, LogUnavailable, WrongExpectedVersion } from '../../src/events/event-log.ts';
import type { EventLog, ExpectedVersion, RecordedCommit } from '../../src/events/event-log.ts';
import type { StreamName } from '../../src/events/ids.ts';
import type { Position } from '../../src/events/position.ts';
import type { Random } from '../../src/random.ts';

/** What is broken on purpose, to see that the simulation notices. */
export type LogMutant = 'skips-the-version-check' | 'forgets-commands' | 'skips-the-head-check';

export interface Faults {
  /** Off: everything arrives, in time. */
  on: boolean;
}

/** One node's way to the log, which is slow, loses appends and their answers, writes late, and hangs for ever once the node has crashed. */
export function createFaultyLog(options: { inner: EventLog; clock: Clock; random: Random; faults: Faults; mutant?: LogMutant }) {
  const { clock, random, faults, mutant } = options;
  const inner = mutant === undefined ? options.inner : mutated(options.inner, mutant);
  let crashed = false;

  const happens = (chance: number) => faults.on && random.float() < chance;
  const travel = () => clock.sleep(faults.on ? random.float() * 30 : 1);
  /** A crashed node never hears the answer. */
  const alive = <T>(value: T): Promise<T> => (crashed ? new Promise(() => {}) : Promise.resolve(value));
  const fail = (error: Error): Promise<never> => (crashed ? new Promise(() => {}) : Promise.reject(error));

  const append: EventLog['append'] = async (stream, expected, commit) => {
    await travel();
    if (happens(0.03)) return fail(new LogUnavailable('simulated: no space left'));
    if (happens(0.03)) return fail(new AppendOutcomeUnknown('simulated: not written'));
    if (happens(0.03)) {
      void clock
        .sleep(random.float() * 3_000)
        .then(() => inner.append(stream, expected, commit))
        .catch(() => {});
      return fail(new AppendOutcomeUnknown('simulated: written later, perhaps'));
    }
    const outcome = await inner.append(stream, expected, commit).catch((error: unknown) => error as Error);
    await travel();
    if (happens(0.05)) return fail(new AppendOutcomeUnknown('simulated: the answer was lost'));
    return outcome instanceof Error ? fail(outcome) : alive(outcome);
  };

  async function* read(stream: StreamName, fromVersion?: number): AsyncGenerator<readonly RecordedCommit[]> {
    await travel();
    if (happens(0.03)) throw new LogUnavailable('simulated: cannot read');
    for await (const batch of inner.read(stream, fromVersion)) {
      yield await alive(batch);
      await travel();
    }
  }

  async function head(stream: StreamName): Promise<ExpectedVersion> {
    await travel();
    if (happens(0.03)) throw new LogUnavailable('simulated: cannot tell the head');
    return alive(await inner.head(stream));
  }

  async function commitAt(position: Position): Promise<RecordedCommit | undefined> {
    await travel();
    if (happens(0.03)) throw new LogUnavailable('simulated: cannot read');
    return alive(await inner.commitAt(position));
  }

  const log: EventLog = { ...inner, append, read, commitAt, head };
  return {
    log,
    crash() {
      crashed = true;
    },
  };
}

function mutated(inner: EventLog, mutant: LogMutant): EventLog {
  switch (mutant) {
    case 'skips-the-version-check':
      return {
        ...inner,
        async append(stream, expected, commit) {
          try {
            return await inner.append(stream, expected, commit);
          } catch (error) {
            if (!(error instanceof WrongExpectedVersion)) throw error;
            const written = await inner.append(stream, await inner.head(stream), commit);
            return { ...written, version: (expected === 'no-stream' ? -1 : expected.version) + commit.events.length };
          }
        },
      };
    case 'forgets-commands':
      return {
        ...inner,
        async *read(stream, fromVersion) {
          for await (const batch of inner.read(stream, fromVersion)) yield batch.map(withoutMetadata);
        },
        async commitAt(position) {
          const commit = await inner.commitAt(position);
          return commit && withoutMetadata(commit);
        },
      };
    case 'skips-the-head-check': {
      // Answers what this node saw last, as an actor that trusts itself would.
      const seen = new Map<StreamName, ExpectedVersion>();
      return {
        ...inner,
        async append(stream, expected, commit) {
          const head = await inner.append(stream, expected, commit);
          seen.set(stream, head);
          return head;
        },
        async *read(stream, fromVersion) {
          for await (const batch of inner.read(stream, fromVersion)) {
            seen.set(stream, await inner.head(stream));
            yield batch;
          }
        },
        head: async (stream) => seen.get(stream) ?? inner.head(stream),
      };
    }
  }
}

function withoutMetadata(commit: RecordedCommit): RecordedCommit {
  const copy: { -readonly [Key in keyof RecordedCommit]: RecordedCommit[Key] } = { ...commit };
  delete copy.metadata;
  return copy;
}

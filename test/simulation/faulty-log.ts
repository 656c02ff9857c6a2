import type { Clock } from '../../src/clock.ts';
import { AppendOutcomeUnknown, LogUnavailable, WrongExpectedVersion } from '../../src/events/event-log.ts';
import type { EventLog, ExpectedVersion, NewCommit, NonEmpty, RecordedCommit, StreamHead } from '../../src/events/event-log.ts';
import type { StreamName } from '../../src/events/ids.ts';
import type { Position } from '../../src/events/position.ts';
import { headAfter } from '../../src/events/stream-chain.ts';
import type { Random } from '../../src/random.ts';

/** What is broken on purpose, to see that the simulation notices. */
export type LogMutant =
  | 'skips-the-version-check'
  | 'forgets-commands'
  | 'skips-the-head-check'
  | 'takes-the-past-for-the-present'
  | 'answers-before-it-is-written';

export interface Faults {
  /** Off: everything arrives, in time. */
  on: boolean;
}

/** One node's way to the log, which is slow, loses appends and their answers, writes late, and hangs for ever once the node has crashed. */
export function createFaultyLog(options: { inner: EventLog; clock: Clock; random: Random; faults: Faults; mutant?: LogMutant }) {
  const { clock, random, faults, mutant } = options;
  let crashed = false;
  const inner = mutant === undefined ? options.inner : mutated(options.inner, mutant, clock, () => crashed);

  const happens = (chance: number) => faults.on && random.float() < chance;
  const travel = () => clock.sleep(faults.on ? random.float() * 30 : 1);
  /** A crashed node never hears the answer. */
  const alive = <T>(value: T): Promise<T> => (crashed ? new Promise(() => {}) : Promise.resolve(value));
  const fail = (error: Error): Promise<never> => (crashed ? new Promise(() => {}) : Promise.reject(error));

  async function perhaps<Written>(write: () => Promise<Written>): Promise<Written> {
    await travel();
    if (happens(0.03)) return fail(new LogUnavailable('simulated: no space left'));
    if (happens(0.03)) return fail(new AppendOutcomeUnknown('simulated: not written'));
    if (happens(0.03)) {
      void clock
        .sleep(random.float() * 3_000)
        .then(write)
        .catch(() => {});
      return fail(new AppendOutcomeUnknown('simulated: written later, perhaps'));
    }
    const outcome = await write().catch((error: unknown) => error as Error);
    await travel();
    if (happens(0.05)) return fail(new AppendOutcomeUnknown('simulated: the answer was lost'));
    return outcome instanceof Error ? fail(outcome) : alive(outcome);
  }

  /** Where streams end for those who read them, until somebody asks again: in the past. */
  const pastEnds = new Map<StreamName, number>();

  async function* read(stream: StreamName, fromVersion?: number): AsyncGenerator<readonly RecordedCommit[]> {
    await travel();
    if (happens(0.03)) throw new LogUnavailable('simulated: cannot read');
    for await (const batch of inner.read(stream, fromVersion)) {
      const there = batch.filter(({ commit }) => commit <= (pastEnds.get(stream) ?? Infinity));
      if (there.length > 0) yield await alive(there);
      await travel();
    }
  }

  async function head(stream: StreamName, how?: { readonly mayBeBehind: boolean }): Promise<ExpectedVersion> {
    await travel();
    if (happens(0.03)) throw new LogUnavailable('simulated: cannot tell the head');
    if (!how?.mayBeBehind && mutant !== 'takes-the-past-for-the-present') return alive(await inner.head(stream));
    const past = happens(0.2) ? await pastEnd(stream) : undefined;
    if (past === undefined) pastEnds.delete(stream);
    else pastEnds.set(stream, past.position.commit);
    return alive(past ?? (await inner.head(stream)));
  }

  /** As a leader tells it that was deposed some commits ago and does not know. */
  async function pastEnd(stream: StreamName): Promise<StreamHead | undefined> {
    const heads: StreamHead[] = [];
    for await (const batch of inner.read(stream)) heads.push(...batch.map((commit) => headAfter(inner.id, commit)));
    return heads[Math.floor(random.float() * heads.length)];
  }

  async function commitAt(position: Position): Promise<RecordedCommit | undefined> {
    await travel();
    if (happens(0.03)) throw new LogUnavailable('simulated: cannot read');
    // Whoever is asked may not have it yet.
    if (happens(0.05)) return alive(undefined);
    return alive(await inner.commitAt(position));
  }

  const { appendAll } = inner;
  const log: EventLog = {
    ...inner,
    append: (stream, expected, commit) => perhaps(() => inner.append(stream, expected, commit)),
    ...(appendAll && { appendAll: (stream, expected, commits) => perhaps(() => appendAll(stream, expected, commits)) }),
    read,
    commitAt,
    head,
  };
  return {
    log,
    crash() {
      crashed = true;
    },
  };
}

/** As an engine that cannot append several commits at once. */
export function oneByOne(log: EventLog): EventLog {
  const without: { -readonly [Key in keyof EventLog]: EventLog[Key] } = { ...log };
  delete without.appendAll;
  return without;
}

/** The same log with another way to append, one commit or several. */
export function appending(log: EventLog, append: (...args: Parameters<AppendAll>) => ReturnType<AppendAll>): EventLog {
  return {
    ...log,
    async append(stream, expected, commit) {
      const [head] = await append(stream, expected, [commit]);
      return head;
    },
    ...(log.appendAll && { appendAll: append }),
  };
}

type AppendAll = NonNullable<EventLog['appendAll']>;

/** Through whichever of its two ways the log has. */
export async function appendTo(log: EventLog, ...[stream, expected, commits]: Parameters<AppendAll>): Promise<NonEmpty<StreamHead>> {
  return commits.length === 1 || log.appendAll === undefined
    ? [await log.append(stream, expected, commits[0])]
    : log.appendAll(stream, expected, commits);
}

function mutated(inner: EventLog, mutant: LogMutant, clock: Clock, crashed: () => boolean): EventLog {
  switch (mutant) {
    case 'skips-the-version-check':
      return appending(inner, async (stream, expected, commits) => {
        try {
          return await appendTo(inner, stream, expected, commits);
        } catch (error) {
          if (!(error instanceof WrongExpectedVersion)) throw error;
          const written = await appendTo(inner, stream, await inner.head(stream), commits);
          return headsAfter(expected, commits, (index) => written[index]!.position.commit, inner);
        }
      });
    case 'answers-before-it-is-written':
      // As if a sync were not waited for: what a crash then takes away was answered already.
      return appending(inner, async (stream, expected, commits) => {
        const last = (await inner.tail())?.position.commit ?? 0;
        void clock.sleep(5).then(() => (crashed() ? undefined : appendTo(inner, stream, expected, commits).catch(() => {})));
        return headsAfter(expected, commits, (index) => last + 1 + index, inner);
      });
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
    case 'takes-the-past-for-the-present':
      // Of those who ask, not of the log itself.
      return inner;
    case 'skips-the-head-check': {
      // Answers what this node saw last, as an actor that trusts itself would.
      const seen = new Map<StreamName, ExpectedVersion>();
      return {
        ...appending(inner, async (stream, expected, commits) => {
          const heads = await appendTo(inner, stream, expected, commits);
          seen.set(stream, heads.at(-1)!);
          return heads;
        }),
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

/** Ends of a stream as the writer would compute them who believes in `expected`. */
function headsAfter(
  expected: ExpectedVersion,
  commits: NonEmpty<NewCommit>,
  numberOf: (index: number) => number,
  { id }: EventLog,
): NonEmpty<StreamHead> {
  let version = expected === 'no-stream' ? -1 : expected.version;
  const heads = commits.map(({ events }, index) => ({
    version: (version += events.length),
    position: { logId: id, commit: numberOf(index), index: events.length - 1 },
  }));
  return heads as unknown as NonEmpty<StreamHead>;
}

function withoutMetadata(commit: RecordedCommit): RecordedCommit {
  const copy: { -readonly [Key in keyof RecordedCommit]: RecordedCommit[Key] } = { ...commit };
  delete copy.metadata;
  return copy;
}

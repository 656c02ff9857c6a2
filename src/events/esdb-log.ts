import { LRUCache } from 'lru-cache';
import type { Clock } from '../clock.ts';
import { limits } from '../limits.ts';
import type { Logger } from '../logger.ts';
import type { Metrics } from '../metrics.ts';
import type { Random } from '../random.ts';
import { createUnderWay } from '../under-way.ts';
import { encodeCommit, recordedCommitOf } from './codec.ts';
import { openAppendingImport } from './appending-import.ts';
import { lastOf } from './esdb-chunks.ts';
import { openEsdbClient } from './esdb-client.ts';
import type { EsdbClient, EsdbEvent } from './esdb-client.ts';
import { batchesOf, createCommitAssembler, eventsOf, placeInCommit } from './esdb-format.ts';
import { openIdentity } from './esdb-identity.ts';
import { followCommits } from './esdb-subscription.ts';
import { createTail } from './esdb-tail.ts';
import { assertOfLog, LogCorrupt, LogUnavailable, WrongExpectedVersion } from './event-log.ts';
import type { EventLog, ExpectedVersion, NewCommit, RecordedCommit, StreamHead } from './event-log.ts';
import { newLogId, newNamespace } from './ids.ts';
import type { StreamName } from './ids.ts';
import { assertCopyOf, refuseUnfinishedCopy } from './log-import.ts';
import type { CopiedLog, LogImport } from './log-import.ts';
import { assertSize, assertWellFormed, createChainCheck, isExpected } from './stream-chain.ts';

export interface EventStoreDbLogOptions {
  /** `esdb://user:password@host:2113`, or all nodes of a cluster: `esdb://user:password@a:2113,b:2113,c:2113`. */
  readonly url: string;
  /** Stands before the names of all streams, so that several systems can share one server: a-z, 0-9 and _. */
  readonly space: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics?: Metrics;
  /** Make none where there is none. */
  readonly existing?: boolean;
}

const spacePattern = new RegExp(`^[a-z0-9_]{1,${limits.esdbSpaceLengthMax}}$`);

/**
 * A log in EventStoreDB, 22.6 or later: each stream is one there, each event an event there, and an append one write. As durable as the server is
 * configured, at its best on the disks of a majority.
 * @throws {LogUnavailable} with the cure when it cannot be used. @throws {LogCorrupt}
 */
export async function openEventStoreDbLog(options: EventStoreDbLogOptions): Promise<EventLog> {
  const { space, random, logger, existing = false } = options;
  const aboutNew = () => ({ id: newLogId(random), namespace: newNamespace(random) });
  return withClient(options, async (client) => {
    const { about } = await openIdentity(client, identityStream(space), random, existing ? undefined : aboutNew);
    refuseUnfinishedCopy(about, placeOf(space));
    logger.info({ logId: about.id, space }, 'event log open in EventStoreDB');
    return createEsdbLog(client, about, options);
  });
}

/**
 * A log in EventStoreDB that `source` is copied into: a new one, or what an earlier copy of the same source has left. The server gives positions of its
 * own, so the copy has an id of its own.
 * @throws {LogUnavailable} when another log stands there. @throws {LogCorrupt}
 */
export async function openEventStoreDbImport(options: EventStoreDbLogOptions & { readonly source: CopiedLog }): Promise<LogImport> {
  const { space, random, source } = options;
  const aboutNew = () => ({ id: newLogId(random), namespace: source.namespace, copyOf: source.id, copyUnfinished: true });
  return withClient(options, async (client) => {
    const { about, describe } = await openIdentity(client, identityStream(space), random, aboutNew);
    assertCopyOf(source, about, false, placeOf(space));
    const { id, namespace } = about;
    const mark = (copyUnfinished: boolean) => describe({ id, namespace, copyOf: source.id, ...(copyUnfinished && { copyUnfinished }) });
    return openAppendingImport(createEsdbLog(client, about, options), { mark, keepsPositions: false });
  });
}

async function withClient<T>({ url, space, clock }: EventStoreDbLogOptions, open: (client: EsdbClient) => Promise<T>): Promise<T> {
  if (!spacePattern.test(space))
    throw new LogUnavailable(
      `the space of a log in EventStoreDB is 1 to ${limits.esdbSpaceLengthMax} of a-z, 0-9 and _: choose another name with STARLING_SPACE`,
    );
  const client = openEsdbClient(url, clock);
  try {
    // Who may not read everything learns it now, and not from projections that stand still.
    await lastOf(client.readAll({ backwards: true, count: 1 }));
    return await open(client);
  } catch (error) {
    await client.close();
    throw error;
  }
}

function identityStream(space: string): string {
  return `${space}:log`;
}

function placeOf(space: string): string {
  return `"${space}" in EventStoreDB`;
}

function createEsdbLog(
  client: EsdbClient,
  { id, namespace }: Pick<EventLog, 'id' | 'namespace'>,
  options: EventStoreDbLogOptions,
): EventLog {
  const { clock, random, logger, metrics } = options;
  const prefix = `${options.space}.`;
  const closing = new AbortController();
  const appends = createUnderWay();
  // Facts, not guesses: a stream never shrinks, and what stands at a version stands there for ever.
  const heads = new LRUCache<StreamName, StreamHead>({ max: limits.esdbStreamHeadsMax });
  const tail = createTail({ client, clock }, id, prefix);

  /**
   * The end as the leader knows it. A single node: linearizable, since it answers an append only when its index, from which this is read, has it. In a
   * cluster: likewise as long as one node believes to be the leader. One that was cut off from the majority may believe so until its heartbeats time
   * out, and would answer with what it has; it cannot append, so two writers stay harmless.
   */
  async function head(stream: StreamName): Promise<ExpectedVersion> {
    const last = await lastOf(client.readStream(prefix + stream, { backwards: true, count: 1 }));
    if (last === undefined) return 'no-stream';
    const { index, count } = placeInCommit(last);
    if (index !== count - 1) throw new LogUnavailable(`${stream}: its last commit is not complete yet`);
    const found = { version: last.revision, position: { logId: id, commit: last.position, index } };
    heads.set(stream, found);
    return found;
  }

  async function append(stream: StreamName, expected: ExpectedVersion, commit: NewCommit): Promise<StreamHead> {
    const before = expected === 'no-stream' ? undefined : expected;
    const recorded = recordedCommitOf(0, stream, before, commit);
    assertSize(stream, encodeCommit(recorded).length);
    // The server compares the version alone; that the position belongs to it has to be known from before.
    if (before !== undefined && !(await stands(stream, before))) throw new WrongExpectedVersion(stream);
    const startedAt = clock.monotonicMs();
    const written = await client.append(prefix + stream, before?.version ?? 'no-stream', eventsOf(recorded, random));
    metrics?.appendSeconds.observe((clock.monotonicMs() - startedAt) / 1_000);
    const version = recorded.firstVersion + recorded.events.length - 1;
    // A stream that was deleted in the server goes on where it was when it is begun anew.
    if (written.revision !== version) throw new LogCorrupt(`${stream}: was deleted in EventStoreDB, and has lost its beginning`);
    const now: StreamHead = { version, position: { logId: id, commit: written.position, index: recorded.events.length - 1 } };
    heads.set(stream, now);
    tail.saw({ position: now.position, time: recorded.time });
    return now;
  }

  async function stands(stream: StreamName, expected: StreamHead): Promise<boolean> {
    const known = heads.get(stream);
    if (known !== undefined && known.version >= expected.version) return isExpected(expected, known);
    const found = await head(stream);
    return found !== 'no-stream' && isExpected(expected, found);
  }

  async function* read(stream: StreamName, fromVersion = 0): AsyncGenerator<readonly RecordedCommit[]> {
    const assembler = createCommitAssembler(prefix);
    const check = createChainCheck(stream, fromVersion === 0);
    let begun = false;
    for await (const chunk of client.readStream(prefix + stream, { from: fromVersion })) {
      const missing = begun || chunk[0] === undefined ? 0 : placeInCommit(chunk[0]).index;
      const events = missing === 0 ? chunk : [...(await eventsBefore(stream, fromVersion, missing)), ...chunk];
      begun = true;
      for (const batch of batchesOf(events, assembler)) {
        batch.forEach(check);
        metrics?.commitsRead.inc(batch.length);
        yield batch;
      }
    }
  }

  async function eventsBefore(stream: StreamName, version: number, count: number): Promise<EsdbEvent[]> {
    const events: EsdbEvent[] = [];
    for await (const chunk of client.readStream(prefix + stream, { from: version - count, count })) events.push(...chunk);
    return events;
  }

  return {
    id,
    namespace,
    dense: false,

    async append(stream, expected, commit) {
      if (closing.signal.aborted) throw new LogUnavailable('the log is closed');
      if (appends.count >= limits.appendsWaitingMax) throw new LogUnavailable('too many appends wait for EventStoreDB');
      assertWellFormed(stream, commit);
      return appends.add(append(stream, expected, commit));
    },

    read,
    head,
    tail: () => tail.find(),

    async commitAt(position) {
      assertOfLog(id, position);
      const last = await lastOf(client.readAll({ from: position.commit, count: 1 }));
      if (last?.position !== position.commit || !last.stream.startsWith(prefix)) return undefined;
      const { index, count } = placeInCommit(last);
      if (index !== count - 1) return undefined;
      const stream = last.stream.slice(prefix.length) as StreamName;
      const events = [...(index === 0 ? [] : await eventsBefore(stream, last.revision, index)), last];
      return [...batchesOf(events, createCommitAssembler(prefix))][0]?.[0];
    },

    async *subscribe(after, signal) {
      if (after !== 'start') assertOfLog(id, after);
      const either = AbortSignal.any([signal, closing.signal]);
      yield* followCommits({ client, clock, logger, prefix, after: after === 'start' ? undefined : after.commit, signal: either, tail });
    },

    async close() {
      closing.abort();
      await appends.ended();
      await client.close();
    },
  };
}

import type { Clock } from '../clock.ts';
import { limits } from '../limits.ts';
import type { Logger } from '../logger.ts';
import type { Metrics } from '../metrics.ts';
import { elementsFrom, takeBatch } from './batches.ts';
import type { SizedCommit } from './batches.ts';
import { createCommitFeed } from './commit-feed.ts';
import { assertOfLog, LogUnavailable } from './event-log.ts';
import type { EventLog, RecordedCommit } from './event-log.ts';
import { createGroupCommit } from './group-commit.ts';
import type { PendingCommit } from './group-commit.ts';
import type { LogId, StreamName } from './ids.ts';
import { lastPositionOf } from './position.ts';
import * as format from './stored-format.ts';
import { headsAt, readStored, storedBytes } from './stored-heads.ts';
import { createChainCheck } from './stream-chain.ts';
import type { HeadSlice } from './stream-heads.ts';

/** What a log needs from an engine on this machine; what the bytes mean is told in stored-format.ts. */
export interface CommitStore {
  readonly id: LogId;
  readonly namespace: string;
  /** For messages. */
  readonly path: string;
  /** Number of the last commit on disk, 0 for none, also when another process wrote it just now. */
  last(): number;
  /** Valid until the next call: decode it at once. */
  commit(number: number): Uint8Array | undefined;
  head(stream: StreamName): Uint8Array | undefined;
  /** All heads of commits up to this one are stored. */
  indexed(): number;
  /**
   * All of it or nothing, on disk when it resolves; heads, which are an index, may come later. False, and nothing is written, when there is a commit of the first number already.
   * @throws {LogUnavailable} when nothing is written. @throws {AppendOutcomeUnknown}
   */
  write(commits: readonly PendingCommit[], heads: HeadSlice | undefined): Promise<boolean>;
  close(): Promise<void>;
}

export interface StoredLogOptions {
  readonly readOnly: boolean;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics?: Metrics;
}

/** The log over such an engine. */
export function createStoredLog(store: CommitStore, options: StoredLogOptions): EventLog {
  const { id } = store;
  const { readOnly, clock, logger } = options;

  function* readCommits(commits: Iterable<number>): Generator<SizedCommit> {
    for (const commit of commits) yield readStored(store, commit);
  }

  function readBatch(commits: Iterable<number>): RecordedCommit[] {
    const batch = takeBatch(readCommits(commits));
    options.metrics?.commitsRead.inc(batch.length);
    return batch;
  }

  let last = store.last();
  let tail = last === 0 ? undefined : readStored(store, last).recorded;
  let heads = headsAt(store, last);

  /** A process that only reads sees what the writing one has committed meanwhile. */
  function refresh(): void {
    const now = readOnly ? store.last() : last;
    if (now === last) return;
    last = now;
    tail = readStored(store, last).recorded;
    heads = headsAt(store, last);
  }

  async function write(group: readonly PendingCommit[]): Promise<void> {
    const slice = heads.slice(group.length);
    if (!(await store.write(group, slice))) throw new LogUnavailable(`another process writes ${store.path}: only one may`);
    if (slice) heads.written(slice);
  }

  const feed = createCommitFeed({
    logId: id,
    last,
    readCommits: (from, to) => readBatch(numbers(from, to)),
    ...(readOnly && { poll: { last: () => store.last(), wait: (signal: AbortSignal) => clock.sleep(limits.readOnlyPollMs, signal) } }),
  });
  const appends = createGroupCommit({
    logId: id,
    last,
    encode: format.encodeStored,
    headOf: (stream) => heads.get(stream),
    write,
    written(group) {
      for (const { stream, head } of group) heads.record(stream, head);
      tail = group.at(-1)?.recorded;
      last = tail?.commit ?? last;
      feed.publish(group);
    },
  });

  let closed: Promise<void> | undefined;
  async function close(): Promise<void> {
    await appends.close();
    feed.close();
    if (!readOnly) await writeRest();
    await store.close();
  }

  /** Saves the next start from reading commits again; if it fails, they are read again. */
  async function writeRest(): Promise<void> {
    const rest = heads.rest();
    if (rest === undefined) return;
    try {
      await store.write([], rest);
    } catch (error) {
      logger.warn({ err: error }, 'the index of the event log could not be written: the next start reads the last commits again');
    }
  }

  return {
    id,
    namespace: store.namespace,
    dense: true,

    async append(stream, expected, commit) {
      if (readOnly) throw new LogUnavailable('the log was opened to read only');
      const [head] = await appends.append(stream, expected, [commit]);
      return head;
    },

    async appendAll(stream, expected, commits) {
      if (readOnly) throw new LogUnavailable('the log was opened to read only');
      return appends.append(stream, expected, commits);
    },

    async *read(stream, fromVersion = 0) {
      appends.assertRunning();
      refresh();
      const check = createChainCheck(stream, fromVersion === 0);
      const links: number[] = [];
      const head = heads.get(stream);
      let commit = head === undefined || head.version < fromVersion ? 0 : head.position.commit;
      while (commit > 0) {
        links.push(commit);
        const { firstVersion, predecessor } = format.decodeLink(commit, storedBytes(store, commit));
        commit = firstVersion <= fromVersion ? 0 : predecessor;
        if (links.length % limits.commitsPerBatchMax === 0) await othersTurn();
      }
      links.reverse();
      for (let at = 0; at < links.length;) {
        appends.assertRunning();
        const batch = readBatch(elementsFrom(links, at));
        at += batch.length;
        for (const recorded of batch) check(recorded);
        yield batch;
      }
    },

    async commitAt(position) {
      assertOfLog(id, position);
      appends.assertRunning();
      refresh();
      return position.commit >= 1 && position.commit <= last ? readStored(store, position.commit).recorded : undefined;
    },

    async head(stream) {
      appends.assertRunning();
      refresh();
      return heads.get(stream) ?? 'no-stream';
    },

    async tail() {
      appends.assertRunning();
      refresh();
      return tail && { position: lastPositionOf(id, tail), time: tail.time };
    },

    subscribe: (after, signal) => feed.subscribe(after, signal),

    close() {
      closed ??= close();
      return closed;
    },
  };
}

/** A long walk through memory must not hold up everybody else. */
function othersTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

function* numbers(from: number, to: number): Generator<number> {
  for (let commit = from; commit <= to; commit += 1) yield commit;
}

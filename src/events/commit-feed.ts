import { setImmediate as nextTurn } from 'node:timers/promises';
import { limits } from '../limits.ts';
import { LinkedList } from '../linked-list.ts';
import { takeBatch } from './batches.ts';
import type { SizedCommit } from './batches.ts';
import { assertOfLog, LogCorrupt } from './event-log.ts';
import type { RecordedCommit } from './event-log.ts';
import type { LogId } from './ids.ts';
import type { Position } from './position.ts';

export interface CommitFeed {
  /** Number of the last commit that subscribers may see; 0 while the log is empty. */
  readonly last: number;
  /** Makes commits visible that follow `last` without a gap. */
  publish(entries: readonly SizedCommit[]): void;
  /** The port's `subscribe`. */
  subscribe(after: Position | 'start', signal: AbortSignal): AsyncIterable<readonly RecordedCommit[]>;
  /** Ends every subscription; what it has not handed out yet is there when it subscribes again. */
  close(): void;
}

export interface CommitFeedOptions {
  readonly logId: LogId;
  readonly last: number;
  /** Commits from number `from` on, at least one, none beyond `to`: for who is behind the newest ones, which are kept in memory. */
  readonly readCommits: (from: number, to: number) => readonly RecordedCommit[];
  /** For a log that another process writes: the number of its last commit now, and a wait before asking again. */
  readonly poll?: { last(): number; wait(signal: AbortSignal): Promise<void> };
}

/**
 * What all subscriptions of a log share. A subscription is a number, the next commit it wants: while that one is among the newest, which are kept
 * decoded, it is served from memory, otherwise from the log. So a slow subscriber costs no memory, and a fast one no decoding.
 */
export function createCommitFeed(options: CommitFeedOptions): CommitFeed {
  const newest = createNewestCommits();
  const waiting = new LinkedList<() => void>();
  let last = options.last;
  // Aborted when the log closes.
  const closing = new AbortController();

  const wakeAll = () => {
    for (const wake of waiting.drain()) wake();
  };

  const published = (signal: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      const wake = () => {
        signal.removeEventListener('abort', wake);
        waiting.remove(link);
        resolve();
      };
      const link = waiting.add(wake);
      signal.addEventListener('abort', wake);
    });

  async function* subscribe(after: Position | 'start', signal: AbortSignal): AsyncGenerator<readonly RecordedCommit[]> {
    if (options.poll) last = options.poll.last();
    let next = after === 'start' ? 1 : commitAfter(after, options.logId, last);
    while (!signal.aborted && !closing.signal.aborted) {
      if (next > last) {
        await (options.poll?.wait(signal) ?? published(signal));
        if (options.poll && !closing.signal.aborted) last = options.poll.last();
        continue;
      }
      const recent = newest.from(next);
      const batch = recent ?? options.readCommits(next, Math.min(last, next + limits.commitsPerReadMax - 1));
      if (batch[0]?.commit !== next) throw new LogCorrupt(`commit ${next} is missing from the log`);
      next += batch.length;
      yield batch;
      // Who catches up would not let anybody else have a turn: reading and decoding wait for nothing.
      if (recent === undefined) await nextTurn();
    }
  }

  return {
    get last() {
      return last;
    },
    publish(entries) {
      for (const entry of entries) newest.add(entry);
      last = entries.at(-1)?.recorded.commit ?? last;
      wakeAll();
    },
    subscribe,
    close() {
      closing.abort();
      wakeAll();
    },
  };
}

function commitAfter(position: Position, logId: LogId, last: number): number {
  assertOfLog(logId, position);
  if (position.commit > last) {
    throw new LogCorrupt(
      `the position, in commit ${position.commit}, lies past the end of the log, which is commit ${last}: the log has lost some`,
    );
  }
  return position.commit + 1;
}

/** The newest commits, decoded, bounded in number and bytes. */
function createNewestCommits() {
  // Each at its number modulo the length. What is dropped leaves at once: an array that has become old enough keeps all that it ever held alive until a full
  // collection.
  const ring = Array.from<SizedCommit | undefined>({ length: limits.newestCommitsMax });
  const placeOf = (commit: number) => commit % ring.length;
  /** The numbers of those that are here: from `first` up to `next`, which is not. */
  let first = 1;
  let next = 1;
  let bytes = 0;

  const drop = (): void => {
    bytes -= ring[placeOf(first)]!.bytes;
    ring[placeOf(first)] = undefined;
    first += 1;
  };

  function* since(commit: number): Generator<SizedCommit> {
    for (let at = commit; at < next; at += 1) yield ring[placeOf(at)]!;
  }

  return {
    add({ recorded, bytes: size }: SizedCommit): void {
      if (first === next) first = next = recorded.commit;
      if (next - first === ring.length) drop();
      // Nothing else that the entry holds: it would stay as long.
      ring[placeOf(next)] = { recorded, bytes: size };
      next += 1;
      bytes += size;
      while (bytes > limits.newestCommitsBytesMax) drop();
    },
    /** A batch that begins with this commit, or undefined when it is no longer here. */
    from: (commit: number): readonly RecordedCommit[] | undefined =>
      commit < first || commit >= next ? undefined : takeBatch(since(commit)),
  };
}

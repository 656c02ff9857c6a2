import type { Random } from '../random.ts';
import { elementsFrom, takeBatch } from './batches.ts';
import type { SizedCommit } from './batches.ts';
import { encodeCommit, recordedCommitOf } from './codec.ts';
import { createCommitFeed } from './commit-feed.ts';
import { assertOfLog, LogUnavailable, WrongExpectedVersion } from './event-log.ts';
import type { EventLog, ExpectedVersion, NewCommit, NonEmpty, StreamHead } from './event-log.ts';
import { newLogId, newNamespace } from './ids.ts';
import type { LogId, StreamName } from './ids.ts';
import { lastPositionOf } from './position.ts';
import { assertSize, assertWellFormed, headAfter, headsOf, inChain, isExpected } from './stream-chain.ts';

export interface MemoryLogOptions {
  readonly random: Random;
  /** Instead of new ones. */
  readonly id?: LogId;
  readonly namespace?: string;
}

/** A log for tests and simulations: as durable as the object, and as fast. */
export function createMemoryLog(options: MemoryLogOptions): EventLog {
  const id = options.id ?? newLogId(options.random);
  const all: SizedCommit[] = [];
  const streams = new Map<StreamName, SizedCommit[]>();
  const heads = new Map<StreamName, StreamHead>();
  const feed = createCommitFeed({ logId: id, last: 0, readCommits: (from) => takeBatch(elementsFrom(all, from - 1)) });
  let closed = false;

  function appendAll(stream: StreamName, expected: ExpectedVersion, commits: NonEmpty<NewCommit>): NonEmpty<StreamHead> {
    if (closed) throw new LogUnavailable('the log is closed');
    for (const commit of commits) assertWellFormed(stream, commit);
    const before = heads.get(stream);
    if (!isExpected(expected, before)) throw new WrongExpectedVersion(stream);
    const chain = inChain(before, commits, (commit, after, index) => {
      const recorded = recordedCommitOf(all.length + 1 + index, stream, after, commit);
      const bytes = encodeCommit(recorded).length;
      assertSize(stream, bytes);
      return { recorded, bytes, head: headAfter(id, recorded) };
    });
    all.push(...chain);
    const commitsOfStream = streams.get(stream);
    if (commitsOfStream) commitsOfStream.push(...chain);
    else streams.set(stream, [...chain]);
    heads.set(stream, chain.at(-1)!.head);
    feed.publish(chain);
    return headsOf(chain);
  }

  return {
    id,
    namespace: options.namespace ?? newNamespace(options.random),
    dense: true,

    async append(stream, expected, commit) {
      const [head] = appendAll(stream, expected, [commit]);
      return head;
    },

    async appendAll(stream, expected, commits) {
      return appendAll(stream, expected, commits);
    },

    async *read(stream, fromVersion = 0) {
      const commits = streams.get(stream) ?? [];
      let at = commits.findIndex(({ recorded }) => recorded.firstVersion + recorded.events.length > fromVersion);
      while (at >= 0 && at < commits.length) {
        const batch = takeBatch(elementsFrom(commits, at));
        at += batch.length;
        yield batch;
      }
    },

    async commitAt(position) {
      assertOfLog(id, position);
      return all[position.commit - 1]?.recorded;
    },

    head: async (stream) => heads.get(stream) ?? 'no-stream',

    async tail() {
      const last = all.at(-1)?.recorded;
      return last && { position: lastPositionOf(id, last), time: last.time };
    },

    subscribe: (after, signal) => feed.subscribe(after, signal),

    async close() {
      closed = true;
      feed.close();
    },
  };
}

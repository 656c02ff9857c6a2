import { limits } from '../limits.ts';
import type { SizedCommit } from './batches.ts';
import { recordedCommitOf } from './codec.ts';
import { AppendOutcomeUnknown, LogUnavailable, WrongExpectedVersion } from './event-log.ts';
import type { ExpectedVersion, NewCommit, NonEmpty, RecordedCommit, StreamHead } from './event-log.ts';
import type { LogId, StreamName } from './ids.ts';
import { assertSize, assertWellFormed, headAfter, headsOf, inChain, isExpected } from './stream-chain.ts';

// Many appends, one sync. An append is checked and encoded at once, against the heads on disk and those of the appends before it, which may still be
// on their way; then it waits in line. One group at a time goes to disk, and an append of several commits is never split over two:
//
//   idle ──append──→ gathering ──end of this turn of the event loop──→ writing ──synced──→ idle, or gathering if others wait
//                                                                        │
//                                       certainly nothing was written ───┤ all in line are refused, since they may build on those; then idle
//                                                it is not known ────────┘ the same, and the log is stopped: only opening it anew shows the truth
//
// The heads known here never run ahead of the disk for longer than their appends are in line.

export interface PendingCommit extends SizedCommit {
  readonly stream: StreamName;
  /** What goes to disk. */
  readonly encoded: Buffer;
  /** The stream's end after it. */
  readonly head: StreamHead;
}

export interface GroupCommitOptions {
  readonly logId: LogId;
  /** Number of the last commit on disk. */
  readonly last: number;
  readonly encode: (commit: RecordedCommit) => Buffer;
  /** The stream's end on disk. */
  readonly headOf: (stream: StreamName) => StreamHead | undefined;
  /** Resolves when all are synced. @throws {LogUnavailable} when none is written. @throws {AppendOutcomeUnknown} */
  readonly write: (group: readonly PendingCommit[]) => Promise<void>;
  /** All of the group are on disk: now they may be seen. */
  readonly written: (group: readonly PendingCommit[]) => void;
}

export interface GroupCommit {
  /** Appends all the commits or none; returns the stream's end after each. */
  append(stream: StreamName, expected: ExpectedVersion, commits: NonEmpty<NewCommit>): Promise<NonEmpty<StreamHead>>;
  /** @throws {LogUnavailable} when the log was closed, or stopped because it is not known what is on disk. */
  assertRunning(): void;
  /** Refuses new appends and resolves when those in line are done. */
  close(): Promise<void>;
}

interface Waiting {
  readonly stream: StreamName;
  readonly commits: NonEmpty<PendingCommit>;
  readonly resolve: (heads: NonEmpty<StreamHead>) => void;
  readonly reject: (error: Error) => void;
  /** Who wanted the same place: refused once this one is settled, since until then nobody else can see what they should have expected. */
  rivals: (() => void)[] | undefined;
}

export function createGroupCommit(options: GroupCommitOptions): GroupCommit {
  const { logId } = options;
  /** The last append in line of each stream that has one. */
  let lastOfStream = new Map<StreamName, Waiting>();
  let line: Waiting[] = [];
  let commitsInLine = 0;
  let rivalsInLine = 0;
  let lastInLine = options.last;
  let state: 'idle' | 'gathering' | 'writing' = 'idle';
  let refusal: string | undefined;
  let closed: Promise<void> | undefined;
  let lineIsEmpty = () => {};

  const assertRunning = () => {
    if (refusal !== undefined) throw new LogUnavailable(refusal);
  };

  const gather = () => {
    state = 'gathering';
    setImmediate(() => void writeGroup());
  };

  async function writeGroup(): Promise<void> {
    const group = firstInLine();
    const commits = group.flatMap((append) => append.commits);
    state = 'writing';
    try {
      await options.write(commits);
    } catch (error) {
      refuseLine(group.length, error instanceof Error ? error : new AppendOutcomeUnknown('the write failed', { cause: error }));
      return settle();
    }
    line = line.slice(group.length);
    commitsInLine -= commits.length;
    // A new one, for the reason told in linked-list.ts.
    lastOfStream = new Map(line.map((append) => [append.stream, append]));
    options.written(commits);
    for (const append of group) {
      append.resolve(headsOf(append.commits));
      refuseRivals(append);
    }
    settle();
  }

  /** Whole appends, as many as share one write: at least one. */
  function firstInLine(): Waiting[] {
    let commits = 0;
    const end = line.findIndex((append) => (commits += append.commits.length) > limits.appendsPerGroupMax);
    return line.slice(0, end < 0 ? line.length : Math.max(1, end));
  }

  function placed(stream: StreamName, number: number, before: StreamHead | undefined, commit: NewCommit): PendingCommit {
    const recorded = recordedCommitOf(number, stream, before, commit);
    const encoded = options.encode(recorded);
    assertSize(stream, encoded.length);
    return { stream, recorded, encoded, bytes: encoded.length, head: headAfter(logId, recorded) };
  }

  function refuseRivals({ rivals }: Waiting): void {
    if (rivals === undefined) return;
    rivalsInLine -= rivals.length;
    for (const refuse of rivals) refuse();
  }

  function settle(): void {
    state = 'idle';
    if (line.length > 0) gather();
    else lineIsEmpty();
  }

  function refuseLine(groupSize: number, error: Error): void {
    const unknown = !(error instanceof LogUnavailable);
    if (unknown) refusal = 'the log was stopped, because it is not known whether the last commits are on disk: start the process again';
    const refused = line;
    line = [];
    lastOfStream = new Map();
    lastInLine -= commitsInLine;
    commitsInLine = 0;
    for (const [index, append] of refused.entries()) {
      append.reject(index < groupSize ? error : new LogUnavailable('not appended, because the appends before it failed', { cause: error }));
      refuseRivals(append);
    }
  }

  return {
    assertRunning,
    append(stream, expected, commits) {
      return new Promise((resolve, reject) => {
        assertRunning();
        const waiting = commitsInLine + rivalsInLine;
        if (waiting >= limits.appendsWaitingMax) throw new LogUnavailable(`${waiting} appends wait for the disk already`);
        for (const commit of commits) assertWellFormed(stream, commit);
        const inLine = lastOfStream.get(stream);
        const before = inLine?.commits.at(-1)?.head ?? options.headOf(stream);
        if (!isExpected(expected, before)) {
          const refuse = () => reject(new WrongExpectedVersion(stream));
          if (inLine === undefined) return refuse();
          rivalsInLine += 1;
          (inLine.rivals ??= []).push(refuse);
          return;
        }
        const next = lastInLine + 1;
        const chain = inChain(before, commits, (commit, after, index) => placed(stream, next + index, after, commit));
        const append: Waiting = { stream, commits: chain, resolve, reject, rivals: undefined };
        lastInLine += commits.length;
        commitsInLine += commits.length;
        lastOfStream.set(stream, append);
        line.push(append);
        if (state === 'idle') gather();
      });
    },
    close() {
      refusal ??= 'the log is closed';
      closed ??= new Promise((resolve) => {
        lineIsEmpty = resolve;
        if (state === 'idle') resolve();
      });
      return closed;
    },
  };
}

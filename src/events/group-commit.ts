import { limits } from '../limits.ts';
import type { SizedCommit } from './batches.ts';
import { recordedCommitOf } from './codec.ts';
import { AppendOutcomeUnknown, LogUnavailable, WrongExpectedVersion } from './event-log.ts';
import type { ExpectedVersion, NewCommit, RecordedCommit, StreamHead } from './event-log.ts';
import type { LogId, StreamName } from './ids.ts';
import { assertSize, assertWellFormed, headAfter, isExpected } from './stream-chain.ts';

// Many appends, one sync. An append is checked and encoded at once, against the heads on disk and those of the appends before it, which may still be
// on their way; then it waits in line. One group at a time goes to disk:
//
//   idle ──append──→ gathering ──end of this turn of the event loop──→ writing ──synced──→ idle, or gathering if others wait
//                                                                        │
//                                       certainly nothing was written ───┤ all in line are refused, since they may build on those; then idle
//                                                it is not known ────────┘ the same, and the log is stopped: only opening it anew shows the truth
//
// The heads known here never run ahead of the disk for longer than their appends are in line.

export interface PendingAppend extends SizedCommit {
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
  readonly write: (group: readonly PendingAppend[]) => Promise<void>;
  /** All of the group are on disk: now they may be seen. */
  readonly written: (group: readonly PendingAppend[]) => void;
}

export interface GroupCommit {
  append(stream: StreamName, expected: ExpectedVersion, commit: NewCommit): Promise<StreamHead>;
  /** @throws {LogUnavailable} when the log was closed, or stopped because it is not known what is on disk. */
  assertRunning(): void;
  /** Refuses new appends and resolves when those in line are done. */
  close(): Promise<void>;
}

interface Waiting extends PendingAppend {
  readonly resolve: (head: StreamHead) => void;
  readonly reject: (error: Error) => void;
  /** Who wanted the same place: refused once this one is settled, since until then nobody else can see what they should have expected. */
  rivals: (() => void)[] | undefined;
}

export function createGroupCommit(options: GroupCommitOptions): GroupCommit {
  const { logId } = options;
  /** The last append in line of each stream that has one. */
  const lastOfStream = new Map<StreamName, Waiting>();
  let line: Waiting[] = [];
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
    const group = line.slice(0, limits.appendsPerGroupMax);
    state = 'writing';
    try {
      await options.write(group);
    } catch (error) {
      refuseLine(group.length, error instanceof Error ? error : new AppendOutcomeUnknown('the write failed', { cause: error }));
      return settle();
    }
    line = line.slice(group.length);
    for (const append of group) {
      if (lastOfStream.get(append.stream) === append) lastOfStream.delete(append.stream);
    }
    options.written(group);
    for (const append of group) {
      append.resolve(append.head);
      refuseRivals(append);
    }
    settle();
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
    lastOfStream.clear();
    lastInLine = (refused[0]?.recorded.commit ?? lastInLine + 1) - 1;
    for (const [index, append] of refused.entries()) {
      append.reject(index < groupSize ? error : new LogUnavailable('not appended, because the appends before it failed', { cause: error }));
      refuseRivals(append);
    }
  }

  return {
    assertRunning,
    append(stream, expected, commit) {
      return new Promise((resolve, reject) => {
        assertRunning();
        const waiting = line.length + rivalsInLine;
        if (waiting >= limits.appendsWaitingMax) throw new LogUnavailable(`${waiting} appends wait for the disk already`);
        assertWellFormed(stream, commit);
        const inLine = lastOfStream.get(stream);
        const before = inLine?.head ?? options.headOf(stream);
        if (!isExpected(expected, before)) {
          const refuse = () => reject(new WrongExpectedVersion(stream));
          if (inLine === undefined) return refuse();
          rivalsInLine += 1;
          (inLine.rivals ??= []).push(refuse);
          return;
        }
        const recorded = recordedCommitOf(lastInLine + 1, stream, before, commit);
        const encoded = options.encode(recorded);
        assertSize(stream, encoded.length);
        const head = headAfter(logId, recorded);
        const append: Waiting = { stream, recorded, encoded, bytes: encoded.length, head, resolve, reject, rivals: undefined };
        lastInLine += 1;
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

import type { CommandMetadata, DomainEvent } from './event-types.ts';
import type { LogId, StreamName } from './ids.ts';
import type { Position } from './position.ts';

export type NonEmpty<T> = readonly [T, ...T[]];

/** What one append writes: the events of one command, all or none. */
export interface NewCommit {
  readonly events: NonEmpty<DomainEvent>;
  /** Milliseconds since the epoch; the caller keeps it from falling below the commit before it in the stream. */
  readonly time: number;
  /** Absent for what no command caused. */
  readonly metadata?: CommandMetadata;
}

/** One append as it stands in the log. Event `i` has version `firstVersion + i` and position `{ logId, commit, index: i }`. */
export interface RecordedCommit {
  readonly commit: number;
  readonly stream: StreamName;
  /** Version of the first event: its index in the stream, from 0. */
  readonly firstVersion: number;
  /** Number of the commit before it in the same stream; null for the first. A reader that finds another one stops: the chain is broken. */
  readonly predecessor: number | null;
  readonly time: number;
  readonly metadata?: CommandMetadata;
  readonly events: NonEmpty<DomainEvent>;
}

/** Where a stream ends: version and position of its last event. */
export interface StreamHead {
  readonly version: number;
  readonly position: Position;
}

/** The optimistic lock: no stream yet, or the end of the stream as the last append or read returned it. */
export type ExpectedVersion = 'no-stream' | StreamHead;

/** An append-only log of events: many streams, one global order. */
export interface EventLog {
  /** Made with the log; every position of it carries this. */
  readonly id: LogId;
  /** A random UUID made with the log: the name space of user ids. */
  readonly namespace: string;
  /** Commits are numbered 1, 2, 3 and so on, without gaps: differences of numbers are counts. */
  readonly dense: boolean;

  /**
   * Appends all the events or none; resolves when they are as durable as the engine promises, and no subscriber sees them before.
   * @throws {WrongExpectedVersion} when another writer got there first: nothing was appended.
   * @throws {AppendOutcomeUnknown} when it may or may not have been appended: recover before deciding anything.
   * @throws {LogUnavailable} when certainly nothing was appended (a full disk, a closed log).
   */
  append(stream: StreamName, expected: ExpectedVersion, commit: NewCommit): Promise<StreamHead>;

  /**
   * Appends several commits to a stream, one after the other: all or none, under the same promises as `append`. Returns the stream's end after each.
   * Absent where the engine cannot; those that have it write them with one sync.
   */
  appendAll?(stream: StreamName, expected: ExpectedVersion, commits: NonEmpty<NewCommit>): Promise<NonEmpty<StreamHead>>;

  /** Reads a stream forwards from the commit that holds `fromVersion`, in batches; a stream that does not exist is an empty one. @throws {LogCorrupt} at a broken chain. */
  read(stream: StreamName, fromVersion?: number): AsyncIterable<readonly RecordedCommit[]>;

  /** The commit that the position stands in, or undefined when there is none of that number: one look-up, however long its stream is. @throws {PositionOfAnotherLog} */
  commitAt(position: Position): Promise<RecordedCommit | undefined>;

  /**
   * The stream's end as of a moment after this call began (linearizable). One that may be behind can come sooner: an end that the stream once had, which is
   * enough to decide what an append will then be refused for, if it is no longer so.
   */
  head(stream: StreamName, how?: { readonly mayBeBehind: boolean }): Promise<ExpectedVersion>;

  /**
   * The end of the whole log: position and time of the last event, or undefined when it is empty. Of servers that others can write to also where the last
   * commit cannot be decoded (then its first position), so that whatever stopped there can be told how far it is behind.
   */
  tail(): Promise<{ readonly position: Position; readonly time: number } | undefined>;

  /**
   * Every commit after the one that `after` stands in, in batches, then live ones, until aborted (then it returns).
   * @throws {PositionOfAnotherLog} @throws {LogCorrupt} naming the commit that cannot be decoded (nothing is skipped), and when `after` lies past the
   * end of the log: then the log has lost commits that somebody saw. Errors come out of the iteration, not of this call.
   */
  subscribe(after: Position | 'start', signal: AbortSignal): AsyncIterable<readonly RecordedCommit[]>;

  /** Lets running appends finish, then refuses new ones with LogUnavailable. */
  close(): Promise<void>;
}

export class WrongExpectedVersion extends Error {
  readonly code = 'WRONG_EXPECTED_VERSION';
  override readonly name = 'WrongExpectedVersion';
  readonly stream: StreamName;
  constructor(stream: StreamName, options?: ErrorOptions) {
    super(`${stream}: another writer appended first`, options);
    this.stream = stream;
  }
}

export class AppendOutcomeUnknown extends Error {
  readonly code = 'APPEND_OUTCOME_UNKNOWN';
  override readonly name = 'AppendOutcomeUnknown';
}

export class LogUnavailable extends Error {
  readonly code = 'LOG_UNAVAILABLE';
  override readonly name = 'LogUnavailable';
}

export class LogCorrupt extends Error {
  readonly code = 'LOG_CORRUPT';
  override readonly name = 'LogCorrupt';
}

export class PositionOfAnotherLog extends Error {
  readonly code = 'POSITION_OF_ANOTHER_LOG';
  override readonly name = 'PositionOfAnotherLog';
}

/** @throws {PositionOfAnotherLog} */
export function assertOfLog(logId: LogId, position: Position): void {
  if (position.logId !== logId) throw new PositionOfAnotherLog('the position belongs to another event log');
}

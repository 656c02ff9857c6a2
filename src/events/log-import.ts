import { LogCorrupt, LogUnavailable } from './event-log.ts';
import type { RecordedCommit, StreamHead } from './event-log.ts';
import type { LogId } from './ids.ts';
import type { LogAbout } from './stored-format.ts';

/** The log that a copy is made of. */
export interface CopiedLog {
  readonly id: LogId;
  readonly namespace: string;
  /** Are its commits numbered 1, 2, 3 and so on? Only then another log can take over its positions, and with them its id. */
  readonly dense: boolean;
}

/**
 * A log that is filled with the commits of another one. From `begin` to `finish` it is marked: whoever opens it as a log is refused. Where it was left
 * off, by `close` or by a crash, it goes on.
 */
export interface LogImport {
  /** Of the source, where positions are kept; otherwise a new one, so that no cursor of the source is mistaken for one of the copy. */
  readonly id: LogId;
  readonly keepsPositions: boolean;
  /** How many commits of the source stand here already. */
  count(): number;
  /** The last of them, as it stands here. */
  last(): Promise<RecordedCommit | undefined>;
  /** Sets the mark. */
  begin(): Promise<void>;
  /**
   * Adds commits of the source that follow those which stand here, with their versions, times and metadata; as durable as an append when it resolves.
   * @throws {LogCorrupt} when one does not follow. After any error the import is to be closed and opened anew.
   */
  append(commits: readonly RecordedCommit[]): Promise<void>;
  /** Takes the mark away: from now on it is a log like any other. */
  finish(): Promise<void>;
  close(): Promise<void>;
}

/** What every target of a copy says that is not complete. @throws {LogUnavailable} */
export function refuseUnfinishedCopy(about: LogAbout, place: string): void {
  if (!about.copyUnfinished) return;
  throw new LogUnavailable(
    `${place} is a copy of another log that is not complete: run the same "starling log copy" once more, or remove what stands there`,
  );
}

/** @throws {LogUnavailable} when the target holds something else than a copy of the source. */
export function assertCopyOf(source: CopiedLog, target: LogAbout, keepsPositions: boolean, place: string): void {
  const same = keepsPositions ? target.id === source.id : target.copyOf === source.id;
  if (same && target.namespace === source.namespace) return;
  throw new LogUnavailable(`${place} holds another event log (${target.id}), and a copy overwrites nothing: choose an empty place`);
}

/** @throws {LogCorrupt} */
export function assertVersionFollows({ commit, stream, firstVersion }: RecordedCommit, before: StreamHead | undefined): void {
  const version = before === undefined ? 0 : before.version + 1;
  if (firstVersion === version) return;
  throw new LogCorrupt(
    `${stream}: the chain is broken at commit ${commit}: it has version ${firstVersion}, but version ${version} comes next`,
  );
}

import { LogCorrupt } from './event-log.ts';
import type { EventLog, RecordedCommit, StreamHead } from './event-log.ts';
import type { StreamName } from './ids.ts';
import { assertVersionFollows } from './log-import.ts';
import type { LogImport } from './log-import.ts';
import { headAfter } from './stream-chain.ts';

export interface AppendingImportOptions {
  /** Says that the log is being filled, or no longer. */
  readonly mark: (unfinished: boolean) => Promise<void>;
  /** The log numbers its commits one by one, and so does the source: they get the same numbers. */
  readonly keepsPositions: boolean;
}

/**
 * Fills a log by appending to it, one commit after the other, so that their order is that of the source. Reads what stands there already.
 * @throws {LogCorrupt} @throws {LogUnavailable}
 */
export async function openAppendingImport(log: EventLog, { mark, keepsPositions }: AppendingImportOptions): Promise<LogImport> {
  const heads = new Map<StreamName, StreamHead>();
  let count = 0;
  let last: RecordedCommit | undefined;

  const end = (await log.tail())?.position.commit ?? 0;
  const enough = new AbortController();
  if (end > 0) {
    for await (const batch of log.subscribe('start', enough.signal)) {
      for (const commit of batch) heads.set(commit.stream, headAfter(log.id, commit));
      count += batch.length;
      last = batch.at(-1);
      if (last !== undefined && last.commit >= end) enough.abort();
    }
  }

  return {
    id: log.id,
    keepsPositions,
    count: () => count,
    last: async () => last,
    begin: () => mark(true),
    async append(commits) {
      for (const commit of commits) {
        const { stream, time, metadata, events } = commit;
        const before = heads.get(stream);
        assertVersionFollows(commit, before);
        if (keepsPositions && commit.commit !== count + 1)
          throw new LogCorrupt(`commit ${count + 1} is missing from the log: ${commit.commit} stands in its place`);
        const head = await log.append(stream, before ?? 'no-stream', { time, events, ...(metadata && { metadata }) });
        const version = commit.firstVersion + events.length - 1;
        if (head.version !== version) throw new LogCorrupt(`${stream}: version ${version} became ${head.version} in the copy`);
        if (keepsPositions && head.position.commit !== commit.commit) {
          throw new LogCorrupt(
            `commit ${commit.commit} became commit ${head.position.commit} in the copy, since somebody else writes there: remove it, and begin again`,
          );
        }
        heads.set(stream, head);
        count += 1;
      }
    },
    finish: () => mark(false),
    close: () => log.close(),
  };
}

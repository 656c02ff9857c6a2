import { LogCorrupt } from './event-log.ts';
import type { EventLog, RecordedCommit, StreamHead } from './event-log.ts';
import type { StreamName } from './ids.ts';
import { assertVersionFollows } from './log-import.ts';
import type { LogImport } from './log-import.ts';
import { headAfter } from './stream-chain.ts';

/**
 * Fills a log that gives positions of its own by appending to it, one commit after the other: their order is that of the source. Reads what stands there
 * already. `mark`: says that the log is being filled, or no longer.
 * @throws {LogCorrupt} @throws {LogUnavailable}
 */
export async function openAppendingImport(log: EventLog, mark: (unfinished: boolean) => Promise<void>): Promise<LogImport> {
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
    keepsPositions: false,
    count: () => count,
    last: async () => last,
    begin: () => mark(true),
    async append(commits) {
      for (const commit of commits) {
        const { stream, time, metadata, events } = commit;
        const before = heads.get(stream);
        assertVersionFollows(commit, before);
        const head = await log.append(stream, before ?? 'no-stream', { time, events, ...(metadata && { metadata }) });
        const version = commit.firstVersion + events.length - 1;
        if (head.version !== version) throw new LogCorrupt(`${stream}: version ${version} became ${head.version} in the copy`);
        heads.set(stream, head);
        count += 1;
      }
    },
    finish: () => mark(false),
    close: () => log.close(),
  };
}

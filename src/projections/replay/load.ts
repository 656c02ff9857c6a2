import type { EventLog, RecordedCommit } from '../../events/event-log.ts';
import { limits } from '../../limits.ts';
import { applyOrHalve, isForRows, writeUpTo } from '../apply.ts';
import { createPredecessorCheck } from '../chain-check.ts';
import type { Database } from '../database.ts';
import type { Loader, WriteRows } from '../projection.ts';
import { forEachCommit } from './catch-up.ts';
import type { Shadow } from './shadow.ts';

export interface LoadOptions {
  readonly log: EventLog;
  readonly database: Database;
  /** Events of one transaction. */
  readonly eventsPerBatch?: number;
  readonly signal: AbortSignal;
  /** What has been written. */
  readonly count: (commits: number, events: number) => void;
}

/**
 * One pass over the log for all shadows, each to its own target, up to `furthest`, the last of these. Commits become rows as they come, so that their objects die young: at any time one batch of
 * rows is being written, one waits, and one grows.
 * @throws {CannotApply} @throws {LogCorrupt} @throws {DatabaseUnavailable}
 */
export async function load(shadows: readonly Shadow[], furthest: number, options: LoadOptions): Promise<void> {
  const { log, signal, count, eventsPerBatch = limits.eventsPerReplayBatchMax } = options;
  if (furthest === 0) return;
  const loads = shadows.map((shadow) => createLoad(shadow, options));
  const check = createPredecessorCheck(0);
  const reading = new AbortController();
  let reached = 0;
  let commits = 0;
  let events = 0;
  let written: Promise<void> = Promise.resolve();
  let writtenBefore = written;

  const writeBatch = (): void => {
    const writes = loads.map(({ take }) => take());
    const [commitsOfBatch, eventsOfBatch] = [commits, events];
    commits = 0;
    events = 0;
    const writeAfter = async (before: Promise<void>) => {
      await before;
      await Promise.all(writes.map((write) => write()));
      count(commitsOfBatch, eventsOfBatch);
    };
    writtenBefore = written;
    written = writeAfter(writtenBefore);
    // Seen when it is awaited.
    written.catch(() => undefined);
  };

  try {
    for await (const batch of log.subscribe('start', AbortSignal.any([reading.signal, signal]))) {
      for (const commit of batch) {
        if (reached >= furthest) break;
        check(commit);
        for (const { add } of loads) add(commit);
        reached = commit.commit;
        commits += 1;
        events += commit.events.length;
        if (events >= eventsPerBatch) writeBatch();
      }
      await writtenBefore;
      if (reached >= furthest) break;
    }
    signal.throwIfAborted();
    if (reached < furthest) throw new Error('the log was closed before its end was reached');
    if (commits > 0) writeBatch();
  } finally {
    reading.abort();
    await written;
  }
}

/** Of one shadow. `take` hands over the write of what was added since. */
function createLoad({ projection, held, targetCommit }: Shadow, { log, database, signal, eventsPerBatch }: LoadOptions) {
  const begin = (): Loader => projection.startLoad(held.schema);
  const loader = begin();
  let last: RecordedCommit | undefined;

  async function write(upTo: RecordedCommit, rows: WriteRows): Promise<void> {
    try {
      await writeUpTo(database, held, upTo, rows);
    } catch (cause) {
      if (!isForRows(cause)) throw cause;
      // To name the commit: what was made of it is all that is left here, so it is read again.
      await forEachCommit(log, held.place, upTo.commit, { signal, eventsPerBatch }, (commits) =>
        applyOrHalve(database, held, commits, (some) => {
          const again = begin();
          for (const commit of some) again.add(commit);
          return again.take();
        }),
      );
      throw cause;
    }
  }

  return {
    add(commit: RecordedCommit): void {
      if (commit.commit > targetCommit) return;
      loader.add(commit);
      last = commit;
    },
    take(): () => Promise<void> {
      const upTo = last;
      if (upTo === undefined) return () => Promise.resolve();
      last = undefined;
      const rows = loader.take();
      return () => write(upTo, rows);
    },
  };
}

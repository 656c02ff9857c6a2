import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '../clock.ts';
import type { Clock } from '../clock.ts';
import type { Logger } from '../logger.ts';
import type { Metrics } from '../metrics.ts';
import type { Random } from '../random.ts';
import { syncPath } from '../sync-path.ts';
import { LogCorrupt } from './event-log.ts';
import type { EventLog, ExpectedVersion } from './event-log.ts';
import { newLogId, newNamespace } from './ids.ts';
import type { LogId, StreamName } from './ids.ts';
import { openFailure } from './lmdb-failures.ts';
import { createReadingStore, recoverFrom } from './journal-recovery.ts';
import { createJournaledStore } from './journaled-store.ts';
import { openJournal, readJournal } from './journal.ts';
import { openLmdbStore } from './lmdb-store.ts';
import type { LmdbStore, LmdbStoreOptions } from './lmdb-store.ts';
import { refuseUnfinishedCopy } from './log-import.ts';
import type { CopiedLog, LogImport } from './log-import.ts';
import { createStoredImport } from './stored-import.ts';
import { decodeHead } from './stored-format.ts';
import { createStoredLog } from './stored-log.ts';

export interface LmdbLogOptions {
  /** Made if it is missing. One process at a time may write: holding the lock of the data directory is up to the caller. */
  readonly directory: string;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics?: Metrics;
  readonly clock?: Clock;
  /** For a second process: follows what the writing one commits, appends nothing, makes nothing. */
  readonly readOnly?: boolean;
}

export interface LmdbEventLog extends EventLog {
  /** Number of commits so far, which is the number of the last one. */
  readonly commitCount: number;
  /** Where the index says that a stream ends, if it knows of all its commits up to number `last`; else undefined. For who checks the index, which has no checksums. */
  indexedHead(stream: StreamName, last: number): ExpectedVersion | undefined;
  /** A copy as of one moment, synced, readable by its owner alone, that can be opened as a log's file; appends go on meanwhile. `path` must not exist. */
  backup(path: string): Promise<void>;
}

/** The file inside of the log's directory; beside it LMDB keeps its lock table. */
export const logFileName = 'log.mdb';

/** What was appended just now, and is not in that file yet. */
export const journalFileName = 'journal';

/**
 * The embedded log. An append resolves when the disk has it: one sync for all that arrived while the one before was under way.
 * @throws {LogUnavailable} with the cure when it cannot be opened. @throws {LogCorrupt}
 */
export async function openLmdbLog(options: LmdbLogOptions): Promise<LmdbEventLog> {
  const { directory, random, logger, readOnly = false, clock = systemClock, metrics } = options;
  const path = join(directory, logFileName);
  if (!readOnly) await makeDirectory(directory);
  const aboutNew = () => ({ id: newLogId(random), namespace: newNamespace(random) });
  const store = await openWithJournal({ directory, path, readOnly, logger, aboutNew }, clock);
  try {
    refuseUnfinishedCopy(store.about, path);
    const log = createStoredLog(store, { readOnly, clock, logger, ...(metrics && { metrics }) });
    logger.info({ logId: log.id, commits: store.last(), directory, readOnly }, 'event log open');
    return {
      ...log,
      get commitCount() {
        return store.last();
      },
      indexedHead(stream, last) {
        if (store.indexed() < last) return undefined;
        const bytes = store.head(stream);
        return bytes === undefined ? 'no-stream' : decodeHead(store.id, bytes);
      },
      backup: (to) => store.backup(to),
    };
  } catch (error) {
    await store.close();
    throw await openFailure(error, directory);
  }
}

/**
 * Makes a copy that goes its own way another log: what is appended to it next stands at positions where the original has, or will have, something else,
 * and no position that was handed out may mean both. Streams, versions and user ids stay. Locking as for the log. @throws {LogUnavailable} @throws {LogCorrupt}
 */
export async function renewLogId({ directory, random, logger }: Omit<LmdbLogOptions, 'readOnly'>): Promise<LogId> {
  const path = join(directory, logFileName);
  const aboutNew = () => {
    throw new LogCorrupt(`${path} is not an event log of Starling`);
  };
  const store = await openWithoutJournal({ directory, path, readOnly: false, logger, aboutNew });
  const id = newLogId(random);
  try {
    await store.writeAbout({ ...store.about, id });
  } finally {
    await store.close();
  }
  return id;
}

/**
 * An embedded log that `source` is copied into: a new one, or what an earlier copy of the same source has left. Locking as for the log.
 * @throws {LogUnavailable} when another log stands there. @throws {LogCorrupt}
 */
export async function openLmdbImport(options: Omit<LmdbLogOptions, 'readOnly'> & { readonly source: CopiedLog }): Promise<LogImport> {
  const { directory, random, logger, source } = options;
  const path = join(directory, logFileName);
  await makeDirectory(directory);
  const aboutNew = () => ({
    id: source.dense ? source.id : newLogId(random),
    namespace: source.namespace,
    copyOf: source.id,
    copyUnfinished: true,
  });
  const store = await openWithoutJournal({ directory, path, readOnly: false, logger, aboutNew });
  try {
    return createStoredImport(store, source);
  } catch (error) {
    await store.close();
    throw await openFailure(error, directory);
  }
}

/** As a log is opened: with its journal. */
async function openWithJournal(options: LmdbStoreOptions, clock: Clock): Promise<LmdbStore> {
  const { directory, readOnly, logger } = options;
  const path = join(directory, journalFileName);
  const store = readOnly ? await openLmdbStore(options) : await openWithoutJournal(options);
  try {
    if (readOnly) return createReadingStore(store, () => readJournal(path, store.id));
    const journal = await openJournal(path, { logId: store.id, clock });
    await syncPath(directory);
    return createJournaledStore(store, journal, { clock, logger });
  } catch (error) {
    await store.close();
    throw await openFailure(error, directory);
  }
}

/** The file alone, with all that the journal held. */
async function openWithoutJournal(options: LmdbStoreOptions): Promise<LmdbStore> {
  const store = await openLmdbStore(options);
  try {
    await recoverFrom(readJournal(join(options.directory, journalFileName), store.id), store);
    return store;
  } catch (error) {
    await store.close();
    throw await openFailure(error, options.directory);
  }
}

async function makeDirectory(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 }).catch(async (error: unknown) => {
    throw await openFailure(error, directory);
  });
}

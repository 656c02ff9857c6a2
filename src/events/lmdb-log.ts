import { chmod, mkdir, open as openFile } from 'node:fs/promises';
import { join } from 'node:path';
import { open } from 'lmdb';
import type { Database, RootDatabase } from 'lmdb';
import { systemClock } from '../clock.ts';
import type { Clock } from '../clock.ts';
import type { Logger } from '../logger.ts';
import type { Metrics } from '../metrics.ts';
import type { Random } from '../random.ts';
import { LogCorrupt, LogUnavailable } from './event-log.ts';
import type { EventLog } from './event-log.ts';
import { newLogId, newNamespace } from './ids.ts';
import type { StreamName } from './ids.ts';
import { openFailure, writeFailure } from './lmdb-failures.ts';
import * as format from './stored-format.ts';
import { createStoredLog } from './stored-log.ts';
import type { CommitStore } from './stored-log.ts';

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
  /** A copy as of one moment, synced, readable by its owner alone, that can be opened as a log's file; appends go on meanwhile. `path` must not exist. */
  backup(path: string): Promise<void>;
}

/** The file inside of the log's directory; beside it LMDB keeps its lock table. */
export const logFileName = 'log.mdb';

/**
 * The embedded log. An append resolves when the disk has it: one sync for all that arrived while the one before was under way.
 * @throws {LogUnavailable} with the cure when it cannot be opened. @throws {LogCorrupt}
 */
export async function openLmdbLog(options: LmdbLogOptions): Promise<LmdbEventLog> {
  const { directory, logger, readOnly = false, clock = systemClock, metrics } = options;
  const path = join(directory, logFileName);
  const env = await openFileOf(path, options);
  try {
    const store = await openStore(env, path, options);
    const log = createStoredLog(store, { readOnly, clock, logger, ...(metrics && { metrics }) });
    logger.info({ logId: log.id, commits: store.last(), directory, readOnly }, 'event log open');
    return {
      ...log,
      get commitCount() {
        return store.last();
      },
      async backup(to) {
        await env.backup(to, true);
        await chmod(to, 0o600);
        await syncPath(to);
      },
    };
  } catch (error) {
    await env.close();
    throw await openFailure(error, directory);
  }
}

async function openFileOf(path: string, { directory, readOnly = false }: LmdbLogOptions): Promise<RootDatabase> {
  try {
    if (!readOnly) await mkdir(directory, { recursive: true, mode: 0o700 });
    await assertLmdbFile(path, readOnly);
    // The lock table as well: LMDB would crash, too, over one that it may not write.
    if (!readOnly) await (await openFile(`${path}-lock`, 'a', 0o600)).close();
    // Without `overlappingSync: false` a write resolves when it is visible, which is before it is on disk.
    return open({ path, noSubdir: true, readOnly, overlappingSync: false, eventTurnBatching: false, maxDbs: 4 });
  } catch (error) {
    throw await openFailure(error, directory);
  }
}

/** LMDB would bring the process down over a file that is none of its own. An empty file is a new log. */
async function assertLmdbFile(path: string, readOnly: boolean): Promise<void> {
  const file = await openFile(path, readOnly ? 'r' : 'a+', 0o600);
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(32), 0, 32, 0);
    if (bytesRead === 0 && readOnly) throw new LogUnavailable(`${path} is empty: no event log was begun there`);
    const isLmdb = bytesRead === 32 && buffer.readUInt32LE(24) === 0xbeefc0de && buffer.readUInt32LE(28) === 2;
    if (bytesRead > 0 && !isLmdb) throw new LogCorrupt(`${path} is not an event log of Starling, or its beginning is damaged`);
  } finally {
    await file.close();
  }
}

async function openStore(env: RootDatabase, path: string, { directory, random, logger, readOnly }: LmdbLogOptions): Promise<CommitStore> {
  // One that is missing in a file opened to read only comes back undefined, whatever the type says.
  const about = env.openDB<unknown, string>('about', { encoding: 'json' }) as Database<unknown, string> | undefined;
  const commits = env.openDB<Uint8Array, Uint8Array>('commits', { encoding: 'binary', keyEncoding: 'binary' });
  const heads = env.openDB<Uint8Array, StreamName>('heads', { encoding: 'binary' });
  if (!readOnly && about?.get('log') === undefined) {
    await about?.put('log', { format: format.formatVersion, id: newLogId(random), namespace: newNamespace(random) });
    await syncPath(directory);
  }

  const last = () => {
    env.resetReadTxn();
    for (const key of commits.getKeys({ reverse: true, limit: 1 })) return format.commitOfKey(key);
    return 0;
  };

  return {
    ...format.parseAbout(about?.get('log'), path),
    path,
    last,
    commit: (number) => commits.get(format.commitKey(number)),
    head: (stream) => heads.get(stream),
    indexed: () => Number(about?.get('indexed') ?? 0),
    async write(group, slice) {
      // All puts of one block are one transaction, and its promise speaks for all of them.
      const puts = () => {
        for (const { recorded, encoded } of group) void commits.put(format.commitKey(recorded.commit), encoded);
        for (const [stream, head] of slice?.heads ?? []) void heads.put(stream, format.encodeHead(head));
        if (slice?.indexed !== undefined) void about?.put('indexed', slice.indexed);
      };
      const first = group[0]?.recorded.commit;
      try {
        return await (first === undefined ? commits.batch(puts) : commits.ifNoExists(format.commitKey(first), puts));
      } catch (error) {
        const failure = await writeFailure(error, { directory, nothingWritten: () => first === undefined || last() === first - 1 });
        logger.error({ err: failure, commits: group.length }, 'the event log could not write');
        throw failure;
      }
    },
    close: () => env.close(),
  };
}

/** A new name in a directory is on disk only when the directory is. */
async function syncPath(path: string): Promise<void> {
  const handle = await openFile(path);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

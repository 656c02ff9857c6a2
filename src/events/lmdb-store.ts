import { chmod, open as openFile } from 'node:fs/promises';
import { open } from 'lmdb';
import type { Database, RootDatabase } from 'lmdb';
import type { Logger } from '../logger.ts';
import { syncPath } from '../sync-path.ts';
import type { StreamName } from './ids.ts';
import { assertRoom, openFailure, writeFailure } from './lmdb-failures.ts';
import { assertLmdbFile } from './lmdb-file.ts';
import type { PendingCommit } from './group-commit.ts';
import * as format from './stored-format.ts';
import type { CommitStore } from './stored-log.ts';
import type { HeadSlice } from './stream-heads.ts';

export interface LmdbStoreOptions {
  /** Where `path` stands. */
  readonly directory: string;
  readonly path: string;
  /** Makes nothing, writes nothing. */
  readonly readOnly: boolean;
  readonly logger: Logger;
  /** What a new file says about itself. */
  readonly aboutNew: () => format.LogAbout;
}

export interface LmdbStore extends CommitStore {
  /** As it was when the file was opened. */
  readonly about: format.LogAbout;
  /** Synced when it resolves. */
  writeAbout(about: format.LogAbout): Promise<void>;
  /** A copy of the file as of one moment, synced, readable by its owner alone. `path` must not exist. */
  backup(path: string): Promise<void>;
}

/** The file of an embedded log; no other file knows what it is made of. @throws {LogUnavailable} with the cure. @throws {LogCorrupt} */
export async function openLmdbStore(options: LmdbStoreOptions): Promise<LmdbStore> {
  const { directory, path, readOnly } = options;
  let env: RootDatabase | undefined;
  try {
    await assertLmdbFile(path, readOnly);
    // The lock table as well: LMDB would crash, too, over one that it may not write.
    if (!readOnly) await (await openFile(`${path}-lock`, 'a', 0o600)).close();
    // Without `overlappingSync: false` a write resolves when it is visible, which is before it is on disk.
    env = open({ path, noSubdir: true, readOnly, overlappingSync: false, eventTurnBatching: false, maxDbs: 4 });
    return await openTables(env, options);
  } catch (error) {
    await env?.close();
    throw await openFailure(error, directory);
  }
}

async function openTables(env: RootDatabase, { directory, path, readOnly, logger, aboutNew }: LmdbStoreOptions): Promise<LmdbStore> {
  // One that is missing in a file opened to read only comes back undefined, whatever the type says.
  const abouts = env.openDB<unknown, string>('about', { encoding: 'json' }) as Database<unknown, string> | undefined;
  const commits = env.openDB<Uint8Array, Uint8Array>('commits', { encoding: 'binary', keyEncoding: 'binary' });
  const heads = env.openDB<Uint8Array, StreamName>('heads', { encoding: 'binary' });

  const writeAbout = async (about: format.LogAbout) => {
    await abouts?.put('log', format.storedAbout(about));
    await syncPath(directory);
  };
  if (!readOnly && abouts?.get('log') === undefined) await writeAbout(aboutNew());
  const about = format.parseAbout(abouts?.get('log'), path);

  const last = () => {
    env.resetReadTxn();
    for (const key of commits.getKeys({ reverse: true, limit: 1 })) return format.commitOfKey(key);
    return 0;
  };

  let failing = false;

  const putAll = (group: readonly PendingCommit[], slice: HeadSlice | undefined): void => {
    for (const { recorded, encoded } of group) void commits.put(format.commitKey(recorded.commit), encoded);
    for (const [stream, head] of slice?.heads ?? []) void heads.put(stream, format.encodeHead(head));
    if (slice?.indexed !== undefined) void abouts?.put('indexed', slice.indexed);
  };

  /** All puts of one block are one transaction, and its promise speaks for all of them. */
  const writeAll = (group: readonly PendingCommit[], slice: HeadSlice | undefined): Promise<boolean> => {
    const first = group[0]?.recorded.commit;
    const puts = () => putAll(group, slice);
    return first === undefined ? commits.batch(puts) : commits.ifNoExists(format.commitKey(first), puts);
  };

  return {
    id: about.id,
    namespace: about.namespace,
    about,
    path,
    last,
    writeAbout,
    commit(number) {
      // The library's own buffer, in which only `length` is that of the value: a copy would cost as much as finding it.
      const value = commits.getBinaryFast(format.commitKey(number));
      return value?.subarray(0, value.length);
    },
    head: (stream) => heads.get(stream),
    indexed: () => Number(abouts?.get('indexed') ?? 0),
    async write(group, slice) {
      const first = group[0]?.recorded.commit;
      try {
        await assertRoom(directory, bytesOf(group, slice));
        const written = await writeAll(group, slice);
        if (failing) logger.warn({ commit: first }, 'the event log writes again');
        failing = false;
        return written;
      } catch (error) {
        const failure = await writeFailure(error, { directory, nothingWritten: () => first === undefined || last() === first - 1 });
        // Once, not for each of the thousands that are refused while a disk is full.
        if (!failing) logger.error({ err: failure, commits: group.length }, 'the event log cannot write');
        failing = true;
        throw failure;
      }
    },
    async backup(to) {
      await env.backup(to, true);
      await chmod(to, 0o600);
      await syncPath(to);
    },
    close: () => env.close(),
  };
}

/** About what they take up in the file. */
function bytesOf(group: readonly PendingCommit[], slice: HeadSlice | undefined): number {
  const headBytes = 128;
  return group.reduce((sum, { bytes }) => sum + bytes, 0) + headBytes * (slice?.heads.length ?? 0);
}

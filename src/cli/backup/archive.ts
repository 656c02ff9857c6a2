import { createWriteStream } from 'node:fs';
import { link, open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { constants, gunzipSync } from 'node:zlib';
import { create, extract } from 'tar';
import { JobFailed } from '../control-protocol.ts';
import { damaged, manifestName } from './manifest.ts';
import { syncPath } from '../../sync-path.ts';

/**
 * Packs the files into a `.tar.gz` that is there as a whole and on disk, or not at all; for its owner only.
 * @throws {JobFailed} when `target` exists and may not be replaced.
 */
export async function pack(
  folder: string,
  names: readonly string[],
  target: string,
  options: { replace: boolean; signal: AbortSignal },
): Promise<void> {
  const draft = `${folder}.tar.gz`;
  try {
    // The library's stream is made like one of Node's, without being one.
    const packed = create({ gzip: true, cwd: folder, portable: true, strict: true }, [...names]) as unknown as NodeJS.ReadableStream;
    await pipeline(packed, createWriteStream(draft, { mode: 0o600, flags: 'wx' }), { signal: options.signal });
    await syncPath(draft);
    if (options.replace) await rename(draft, target);
    else await link(draft, target).catch(refuseToReplace(target));
    await syncPath(dirname(target));
  } finally {
    await rm(draft, { force: true });
  }
}

/** Unpacks into an empty folder; the file must hold plain files of these names and nothing else. @throws {JobFailed} */
export async function unpack(file: string, folder: string, names: readonly string[]): Promise<void> {
  let stranger: string | undefined;
  try {
    await extract({
      file,
      cwd: folder,
      strict: true,
      noChmod: true,
      filter: (path, entry) => {
        const known = names.includes(path) && 'type' in entry && entry.type === 'File';
        if (!known) stranger ??= path;
        return known;
      },
    });
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw new JobFailed('NO_SUCH_FILE', `${file}: no such file`, { cause });
    if (code === 'EACCES') throw new JobFailed('NO_PERMISSION', `${file}: this user may not read it`, { cause });
    if (code === 'ENOSPC') throw new JobFailed('DISK_FULL', `the disk is full at ${folder}: make room there and restore again`, { cause });
    throw damaged(`it cannot be unpacked (${message})`, cause);
  }
  if (stranger !== undefined) throw damaged(`it holds ${JSON.stringify(stranger)}, which no backup does`);
}

export function refuseToReplace(target: string): (cause: unknown) => never {
  return (cause) => {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause;
    throw new JobFailed('FILE_EXISTS', `${target} exists already: choose another name, or replace it with --force`, { cause });
  };
}

/** `--force` is for an old backup, not for whatever a slip of the pen names: a log, a directory, a device. @throws {JobFailed} */
export async function assertReplaceable(target: string): Promise<void> {
  const found = await stat(target).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return undefined;
    throw cause;
  });
  if (found === undefined || (found.isFile() && (found.size === 0 || (await beginsAsBackup(target))))) return;
  throw new JobFailed('NOT_A_BACKUP', `${target} is there and is no backup, so that it is not replaced: choose another name, or remove it`);
}

/** Packed by `pack`, the manifest first. */
async function beginsAsBackup(file: string): Promise<boolean> {
  const handle = await open(file, 'r');
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(4096), 0, 4096, 0);
    return gunzipSync(buffer.subarray(0, bytesRead), { finishFlush: constants.Z_SYNC_FLUSH })
      .subarray(0, manifestName.length)
      .equals(Buffer.from(manifestName));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code?.startsWith('Z_')) return false;
    throw cause;
  } finally {
    await handle.close();
  }
}

import { mkdir, readdir, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { identityOf } from '../../process-identity.ts';
import { JobFailed } from '../control-protocol.ts';

// A backup is gathered in `FILE.partial-PID` and packed into `FILE.partial-PID.tar.gz` before it becomes FILE. Killed, it leaves them: the next backup
// to the same file removes what no living process writes.

/** What this process gathers now: in a container every life of it has the same pid. */
const gathering = new Set<string>();

/** Gathers in a folder for the backup's owner alone, which is gone afterwards. @throws {JobFailed} when FILE cannot be written, or is being written. */
export async function gatherBeside<T>(file: string, gather: (folder: string) => Promise<T>): Promise<T> {
  const folder = `${file}.partial-${process.pid}`;
  if (gathering.has(folder)) throw cannotBeWritten(file, 'another backup is writing it');
  gathering.add(folder);
  try {
    // Where the names may not be listed they stay, and why nothing can be written there is told next.
    await removeLeftovers(file).catch(() => undefined);
    await mkdir(folder, { mode: 0o700 }).catch((cause: unknown) => refuse(file, cause));
    try {
      return await gather(folder);
    } catch (cause) {
      if (isDiskFull(cause)) throw cannotBeWritten(file, 'its disk is full: make room there, or choose another place', cause);
      throw cause;
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  } finally {
    gathering.delete(folder);
  }
}

async function removeLeftovers(file: string): Promise<void> {
  const partial = `${basename(file)}.partial-`;
  for (const name of await readdir(dirname(file))) {
    const pid = name.startsWith(partial) ? /^(\d{1,10})(\.tar\.gz)?$/.exec(name.slice(partial.length))?.[1] : undefined;
    if (pid === undefined || (Number(pid) !== process.pid && (await identityOf(Number(pid))) !== undefined)) continue;
    await rm(join(dirname(file), name), { recursive: true, force: true });
  }
}

function refuse(file: string, cause: unknown): never {
  const reason = {
    ENOENT: 'its folder does not exist',
    ENOTDIR: 'its folder does not exist',
    EACCES: 'this user may not write there',
    EROFS: 'the file system can only be read',
    EEXIST: `remove ${file}.partial-${process.pid} first, which an earlier backup has left`,
  }[(cause as NodeJS.ErrnoException).code ?? ''];
  throw reason === undefined ? cause : cannotBeWritten(file, reason, cause);
}

/** By its words: LMDB gives no code for a copy that it could not write. */
function isDiskFull(cause: unknown): boolean {
  return cause instanceof Error && /^(ENOSPC: )?no space left on device/i.test(cause.message);
}

function cannotBeWritten(file: string, reason: string, cause?: unknown): JobFailed {
  return new JobFailed('BACKUP_FILE', `${file} cannot be written: ${reason}`, { cause });
}

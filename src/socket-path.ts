import { createHash } from 'node:crypto';
import { lstat, mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

/** Bytes that the kernel accepts as the path of a Unix socket, without the closing zero (`sun_path`; 103 on macOS). */
const socketPathBytesMax = process.platform === 'darwin' ? 103 : 107;

/**
 * The folder in which a socket called `name` that belongs to `directory` can be bound: `directory` itself, or, where that path is too long,
 * a private folder below the temporary one, whose name derives from the path, so that a later process finds it again.
 * @throws {Error} when that private folder exists and belongs to somebody else, who could then pose as the listener.
 */
export async function folderForSocket(directory: string, name: string): Promise<string> {
  const absolute = resolve(directory);
  if (Buffer.byteLength(join(absolute, name)) <= socketPathBytesMax) return absolute;
  const folder = join(tmpdir(), `starling-${createHash('sha256').update(absolute).digest('hex').slice(0, 16)}`);
  await mkdir(folder, { mode: 0o700 }).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== 'EEXIST')
      throw new Error(
        `${folder}: cannot be created for the sockets of ${absolute} (${cause.code}); set TMPDIR to a folder that can be written`,
        { cause },
      );
  });
  const found = await lstat(folder);
  const mine = process.getuid === undefined || found.uid === process.getuid();
  if (!found.isDirectory() || !mine || (found.mode & 0o077) !== 0) {
    throw new Error(`${folder} is not a private folder of this user: remove it, or set TMPDIR to another place`);
  }
  return folder;
}

import { lstat, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDataDirectory } from '../data-directory.ts';
import type { DataDirectory } from '../data-directory.ts';
import { holderOf } from '../directory-lock.ts';

const prefix = 'starling-node-';

/** For a node that keeps nothing: it goes when the node does, and several of them run on one machine. What killed nodes left behind goes now. */
export async function openPassingDirectory(parent = tmpdir()): Promise<DataDirectory> {
  await removeOrphans(parent);
  const path = await mkdtemp(join(parent, prefix));
  const directory = await openDataDirectory(path);
  return {
    ...directory,
    async release() {
      await directory.release();
      await rm(path, { recursive: true, force: true });
    },
  };
}

async function removeOrphans(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    const path = join(parent, name);
    if (name.startsWith(prefix) && (await isOrphan(path).catch(() => false))) await rm(path, { recursive: true, force: true });
  }
}

/** Ours, and complete, or somebody may be making it this moment; of what cannot be looked at nothing is known. */
async function isOrphan(path: string): Promise<boolean> {
  const found = await lstat(path);
  if (!found.isDirectory() || found.uid !== process.getuid?.()) return false;
  await lstat(join(path, 'version'));
  return (await holderOf(path)) === undefined;
}

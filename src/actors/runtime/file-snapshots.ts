import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { StreamName } from '../../events/ids.ts';
import type { SnapshotStore } from './snapshots.ts';

/**
 * One file for each stream, in 256 folders; only streams of a thousand events and more have one.
 * Not synced: what a power cut leaves behind is recognised by its checksum and ignored.
 */
export async function openFileSnapshots(directory: string): Promise<SnapshotStore> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const folderOf = (stream: StreamName) => join(directory, stream.slice(-2));
  const fileOf = (stream: StreamName) => join(folderOf(stream), `${stream}.snapshot`);
  return {
    async load(stream) {
      try {
        return await readFile(fileOf(stream));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
        throw error;
      }
    },
    async save(stream, version, bytes) {
      await mkdir(folderOf(stream), { recursive: true, mode: 0o700 });
      // The version in the name keeps two writers of one stream from writing into each other's file.
      const made = `${fileOf(stream)}.${version}.new`;
      await writeFile(made, bytes, { mode: 0o600 });
      await rename(made, fileOf(stream));
    },
  };
}

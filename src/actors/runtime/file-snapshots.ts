import { mkdir, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { StreamName } from '../../events/ids.ts';
import type { SnapshotStore } from './snapshots.ts';

/**
 * One file for each stream, in 256 folders; only streams of a thousand events and more have one.
 * What a writer that was killed has left half written is removed when they are opened, which one process at a time may do. Not synced: what a power cut leaves behind is recognised by its checksum and ignored.
 */
export async function openFileSnapshots(directory: string): Promise<SnapshotStore> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await removeHalfWritten(directory);
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

async function removeHalfWritten(directory: string): Promise<void> {
  for (const folder of await readdir(directory, { withFileTypes: true })) {
    if (!folder.isDirectory()) continue;
    const names = await readdir(join(directory, folder.name));
    const halfWritten = names.filter((name) => name.endsWith('.new'));
    await Promise.all(halfWritten.map((name) => rm(join(directory, folder.name, name), { force: true })));
  }
}

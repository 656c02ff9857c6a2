import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { open } from 'lmdb';

/**
 * The floor of the import: bare LMDB, one entry for each commit, so many appends on their way at once, each awaited until it is
 * synced to disk. No stream, no version, no reader: what any log on this engine has to pay.
 * Returns appends per second.
 */
export async function measureLogFloor(options: { folder: string; commits: readonly Uint8Array[]; inFlight: number }): Promise<number> {
  const { folder, commits, inFlight } = options;
  const directory = await mkdtemp(join(folder, 'log-floor-'));
  // With overlapping sync a write would count as done before it is on disk.
  const environment = open({
    path: join(directory, 'floor.mdb'),
    noSubdir: true,
    overlappingSync: false,
    encoding: 'binary',
    keyEncoding: 'uint32',
    mapSize: 2 ** 30,
  });
  try {
    let next = 0;
    const appendInTurn = async () => {
      while (next < commits.length) {
        const number = next++;
        await environment.put(number, commits[number]);
      }
    };
    const startedAt = performance.now();
    await Promise.all(Array.from({ length: inFlight }, appendInTurn));
    return (commits.length * 1_000) / (performance.now() - startedAt);
  } finally {
    await environment.close();
    await rm(directory, { recursive: true, force: true });
  }
}

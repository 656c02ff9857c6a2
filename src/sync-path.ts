import { open } from 'node:fs/promises';

/** What was written to a file is on disk when it resolves; of a directory, the names in it, which the files themselves do not bring along. */
export async function syncPath(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

export interface TempDir {
  readonly path: string;
  remove(): Promise<void>;
}

/** A fresh directory; short, since the path of a socket holds 107 bytes. Whoever makes it removes it. */
export async function makeTempDir(name = 'test'): Promise<TempDir> {
  const path = await mkdtemp(join(tmpdir(), `st-${name}-`));
  return { path, remove: () => rm(path, { recursive: true, force: true, maxRetries: 3 }) };
}

/** A fresh directory that goes when the running test ends. */
export async function tempDir(name?: string): Promise<string> {
  const made = await makeTempDir(name);
  onTestFinished(() => made.remove());
  return made.path;
}

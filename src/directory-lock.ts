import { link, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { identityOf, parseIdentity, stillRuns } from './process-identity.ts';

// A lock that the death of its holder opens, whatever kills it. Each holder writes a file `lock.N` with who it is, N one above the highest
// there is; the highest file is the lock. It is held while the process it names runs: same pid, same start, same boot of the machine.
//
// Two that find the same dead lock race for the same N, and `link` lets one of them win. One that was slow may still win an N that
// somebody has passed in the meantime; it then sees the higher file, which was there before the lower one was removed, and gives way.
// For this to hold the highest file is never removed, also not on release: it is emptied.

export interface DirectoryLock {
  release(): Promise<void>;
}

/** Another process holds the directory. */
export class DirectoryInUse extends Error {
  readonly code = 'DATA_DIRECTORY_IN_USE';
  override readonly name = 'DirectoryInUse';
  readonly pid: number;
  constructor(directory: string, pid: number) {
    super(`${directory} is in use by another process (pid ${pid}): stop that one first, or choose another directory with --data`);
    this.pid = pid;
  }
}

const lockFile = /^lock\.(\d{1,15})$/;

/** @throws {DirectoryInUse} naming the process that holds it. */
export async function lockDirectory(directory: string): Promise<DirectoryLock> {
  const self = await identityOf(process.pid);
  const draft = join(directory, `lock.draft.${process.pid}`);
  try {
    await writeFile(draft, JSON.stringify(self), { mode: 0o600 });
    for (;;) {
      const highest = (await lockNumbers(directory)).at(-1) ?? 0;
      if (highest > 0) await refuseIfHeld(directory, highest);
      const mine = highest + 1;
      const taken = await link(draft, join(directory, `lock.${mine}`)).then(
        () => true,
        (cause: NodeJS.ErrnoException) => {
          if (cause.code === 'EEXIST') return false;
          throw cause;
        },
      );
      if (!taken) continue;
      const numbers = await lockNumbers(directory);
      if (numbers.at(-1)! > mine) {
        await rm(join(directory, `lock.${mine}`), { force: true });
        continue;
      }
      for (const passed of numbers) if (passed < mine) await rm(join(directory, `lock.${passed}`), { force: true });
      return { release: () => empty(directory, mine) };
    }
  } finally {
    await rm(draft, { force: true });
  }
}

/** The process that holds the directory, if one does. */
export async function holderOf(directory: string): Promise<number | undefined> {
  const highest = (await lockNumbers(directory)).at(-1);
  return highest === undefined ? undefined : await holder(directory, highest);
}

async function refuseIfHeld(directory: string, number: number): Promise<void> {
  const pid = await holder(directory, number);
  if (pid !== undefined) throw new DirectoryInUse(directory, pid);
}

async function holder(directory: string, number: number): Promise<number | undefined> {
  const text = await readFile(join(directory, `lock.${number}`), 'utf8').catch(() => '');
  const found = parseIdentity(text);
  return found !== undefined && (await stillRuns(found)) ? found.pid : undefined;
}

async function empty(directory: string, number: number): Promise<void> {
  const path = join(directory, `lock.${number}`);
  const draft = join(directory, `lock.draft.${process.pid}`);
  await writeFile(draft, '');
  await rename(draft, path);
}

async function lockNumbers(directory: string): Promise<number[]> {
  const names = await readdir(directory);
  return names
    .flatMap((name) => lockFile.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);
}

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The pid of the embedded PostgreSQL that runs, or ran last, on a data directory; undefined when it was stopped in order. */
export async function postgresPidOf(dataDirectory: string): Promise<number | undefined> {
  const file = join(dataDirectory, 'postgres', 'cluster', 'postmaster.pid');
  const pid = Number.parseInt(await readFile(file, 'utf8').catch(() => ''), 10);
  return Number.isSafeInteger(pid) && pid > 1 ? pid : undefined;
}

/** Whether a process of this number runs; one that nobody has collected yet does not. */
export async function isRunning(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return stat !== '' && !/\) Z /.test(stat);
}

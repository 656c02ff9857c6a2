import { execFile } from 'node:child_process';
import { readFile, readlink, realpath, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import type { Clock } from '../clock.ts';
import { limits } from '../limits.ts';
import type { Logger } from '../logger.ts';

/**
 * Stops a server that an earlier process of ours left behind when it was killed, and removes a lock file that would stop the next one although its
 * process number has gone to somebody else. The caller holds the data directory, so no server in there belongs to anybody alive.
 */
export async function stopOrphan(cluster: string, socketFolder: string, options: { clock: Clock; logger: Logger }): Promise<void> {
  for (const lockFile of [join(cluster, 'postmaster.pid'), join(socketFolder, '.s.PGSQL.5432.lock')]) {
    const pid = await pidIn(lockFile);
    if (pid === undefined || !isAlive(pid)) continue;
    if (await runsIn(pid, cluster)) {
      options.logger.warn({ pid }, 'stopping a PostgreSQL that an earlier process left behind');
      // A zombie whose parent never collects it is as good as gone: it has no folder any more.
      await stopPostmaster(pid, options.clock, async () => !isAlive(pid) || !(await runsIn(pid, cluster)));
    } else {
      await rm(lockFile, { force: true });
    }
  }
}

/** Fast shutdown, then immediate, then by force; each is waited for. Resolves when the process is gone. */
export async function stopPostmaster(pid: number, clock: Clock, exited: () => boolean | Promise<boolean>): Promise<void> {
  for (const signal of ['SIGINT', 'SIGQUIT', 'SIGKILL'] as const) {
    send(pid, signal);
    const deadline = clock.monotonicMs() + limits.postgresStopMs;
    while (clock.monotonicMs() < deadline) {
      if (await exited()) return;
      await clock.sleep(5);
    }
  }
}

/** The process number in the first line of a lock file of PostgreSQL; a socket's lock file may hold it negated. */
async function pidIn(lockFile: string): Promise<number | undefined> {
  const text = await readFile(lockFile, 'utf8').catch(() => '');
  const pid = Math.abs(Number.parseInt(text, 10));
  return Number.isSafeInteger(pid) && pid > 1 ? pid : undefined;
}

function isAlive(pid: number): boolean {
  return send(pid, 0);
}

function send(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch (cause) {
    return (cause as NodeJS.ErrnoException).code === 'EPERM';
  }
}

async function runsIn(pid: number, cluster: string): Promise<boolean> {
  const folder = await realpath(cluster);
  if (process.platform !== 'linux') {
    const listed = await promisify(execFile)('ps', ['-o', 'command=', '-p', String(pid)]).catch(() => ({ stdout: '' }));
    return listed.stdout.includes('postgres') && listed.stdout.includes(folder);
  }
  try {
    const [runsFrom, program] = await Promise.all([readlink(`/proc/${pid}/cwd`), readlink(`/proc/${pid}/exe`)]);
    return runsFrom === folder && basename(program).startsWith('postgres');
  } catch {
    return false;
  }
}

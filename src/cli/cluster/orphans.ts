import { mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../clock.ts';
import { limits } from '../../limits.ts';
import { identityOf, parseIdentity, stillRuns } from '../../process-identity.ts';

/** Remembers in files which processes were started, so that the next start ends those that a killed one left behind. */
export interface StartedProcesses {
  note(name: string, pid: number): Promise<void>;
  /** Ends what still runs, at once. The caller holds the directory, so nobody alive needs it. */
  endOrphans(): Promise<string[]>;
}

export async function openStartedProcesses(directory: string, clock: Clock): Promise<StartedProcesses> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  return {
    async note(name, pid) {
      await writeFile(join(directory, name), JSON.stringify(await identityOf(pid)) ?? '', { mode: 0o600 });
    },
    async endOrphans() {
      const ended: string[] = [];
      for (const name of await readdir(directory)) {
        const found = parseIdentity(await readFile(join(directory, name), 'utf8'));
        if (found !== undefined && (await stillRuns(found))) {
          process.kill(found.pid, 'SIGKILL');
          while (await stillRuns(found)) await clock.sleep(limits.orphanPollMs);
          ended.push(name);
        }
        await rm(join(directory, name), { force: true });
      }
      return ended;
    },
  };
}

import { mkdtemp, readFile, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { builtAnew, collectOutput, explainFailure, spawnUnprivileged } from './postgres-binaries.ts';
import type { PostgresBinaries } from './postgres-binaries.ts';

/** Creates the files of a new server beside their place and moves them there when all are on disk: a half-made one is never mistaken for a whole. */
export async function initialiseCluster(binaries: PostgresBinaries, cluster: string, onLaunch?: () => void): Promise<void> {
  if (await exists(join(cluster, 'PG_VERSION'))) {
    const found = (await readFile(join(cluster, 'PG_VERSION'), 'utf8')).trim();
    if (found !== postgresMajor) {
      throw new Error(
        `${cluster} was made by PostgreSQL ${found}, and this Starling brings ${postgresMajor}: move that folder away and start again; ${builtAnew}`,
      );
    }
    const { uid } = await stat(cluster);
    // Root, without its powers there, may not even look into it. Everybody else is told by PostgreSQL whose it is.
    if (process.getuid?.() === 0 && uid !== 0) {
      throw new Error(
        `${cluster} belongs to the user with id ${uid}: run Starling as that user and not as root, such as with sudo -u '#${uid}'`,
      );
    }
    return;
  }
  await removeUnfinished(cluster);
  // A folder of its own for each attempt: the initdb of a process that was killed runs on, and removes what it worked in when it fails.
  const unfinished = await mkdtemp(`${cluster}.unfinished-`);
  // The built-in locale is the same on every system, with or without locales installed.
  const locale = ['--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'];
  await run(binaries.initdb, ['-D', unfinished, ...locale, '--no-sync', '--auth=trust', '--username=starling'], 'initdb failed', onLaunch);
  await run(binaries.initdb, ['-D', unfinished, '--sync-only'], 'initdb failed to sync');
  await rm(cluster, { recursive: true, force: true });
  await rename(unfinished, cluster);
}

const postgresMajor = '18';

/** What killed attempts left behind. One that is still being written to may resist: the next start removes it. */
async function removeUnfinished(cluster: string): Promise<void> {
  for (const name of await readdir(dirname(cluster))) {
    if (!name.startsWith(`${basename(cluster)}.unfinished`)) continue;
    await rm(join(dirname(cluster), name), { recursive: true, force: true }).catch(() => undefined);
  }
}

async function run(binary: string, args: readonly string[], what: string, onLaunch?: () => void): Promise<void> {
  const child = spawnUnprivileged(binary, args);
  onLaunch?.();
  const output = collectOutput(child);
  const code = await new Promise<number | null>((resolvePromise, reject) => {
    child.once('error', (cause) => reject(explainFailure(what, '', cause)));
    child.once('close', resolvePromise);
  });
  if (code !== 0) throw explainFailure(what, output());
}

export async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

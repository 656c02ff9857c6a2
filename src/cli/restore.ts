import { mkdir, rename, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { readConfig } from '../config.ts';
import { logFolder, openDataDirectory, unfinishedRestore } from '../data-directory.ts';
import { logFileName, openLmdbLog, renewLogId } from '../events/lmdb-log.ts';
import { createLogger } from '../logger.ts';
import type { Logger } from '../logger.ts';
import { systemRandom } from '../random.ts';
import { syncPath } from '../sync-path.ts';
import type { Arguments, CommandSpec } from './arguments.ts';
import { unpack } from './backup/archive.ts';
import { type Manifest, damaged, manifestName, verifyManifest } from './backup/manifest.ts';
import { savedSessionsName } from './backup/saved-sessions.ts';
import type { CommandContext } from './command-line.ts';

export const spec: CommandSpec = {
  name: 'restore',
  summary: 'Make a data directory of a backup. The directory must be empty or not exist; it is never overwritten.',
  positionals: [{ name: 'FILE', says: 'written by starling backup' }],
  settings: ['data', 'logLevel'],
  notes: [
    'The next start builds the read models anew from the log.',
    'The restored log is another log: positions and cursors from before are refused, since they might name what was lost.',
  ],
};

export async function run(given: Arguments, { terminal }: CommandContext): Promise<number> {
  const config = readConfig(given.flags);
  const directory = await openDataDirectory(config.dataDirectory, { forRestore: true });
  try {
    // While this folder is there, the directory is one that a restore has not finished, and nothing starts on it.
    const folder = directory.inside(unfinishedRestore);
    const log = directory.inside(logFolder);
    await Promise.all([folder, log, directory.inside(savedSessionsName)].map((path) => rm(path, { recursive: true, force: true })));
    await mkdir(folder, { mode: 0o700 });
    let manifest: Manifest;
    try {
      await unpack(resolve(given.positionals[0]!), folder, [manifestName, logFileName, savedSessionsName]);
      manifest = await verifyManifest(folder, [logFileName, savedSessionsName]);
      const logger = createLogger(config.logLevel);
      await verifyLog(folder, manifest, logger);
      await renewLogId({ directory: folder, random: systemRandom, logger });
    } catch (error) {
      // What was being unpacked when the damage was met may still come: then the folder is not empty yet.
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
      throw error;
    }
    await Promise.all([logFileName, savedSessionsName].map((name) => syncPath(join(folder, name))));
    await mkdir(log, { mode: 0o700 });
    await rename(join(folder, savedSessionsName), directory.inside(savedSessionsName));
    await rename(join(folder, logFileName), join(log, logFileName));
    await syncPath(log);
    await rm(folder, { recursive: true, force: true });
    await syncPath(directory.path);
    terminal.print(
      `Restored ${manifest.commits.toLocaleString('en-US')} commits and ${manifest.sessions.toLocaleString('en-US')} sessions of ${manifest.createdAt} to ${directory.path}.`,
    );
    return 0;
  } finally {
    await directory.release();
  }
}

async function verifyLog(folder: string, manifest: Manifest, logger: Logger): Promise<void> {
  const log = await openLmdbLog({ directory: folder, readOnly: true, random: systemRandom, logger });
  try {
    if (log.id !== manifest.logId || log.commitCount !== manifest.commits) throw damaged('the log is not the one of the manifest');
  } finally {
    await log.close();
  }
}

import { access } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { readConfig } from '../config.ts';
import type { Config } from '../config.ts';
import { DataDirectoryError, postgresFolder, requireDataDirectory } from '../data-directory.ts';
import type { Arguments, CommandSpec } from './arguments.ts';
import { doJob } from './ask-node.ts';
import type { Manifest } from './backup/manifest.ts';
import { savedSessionsName } from './backup/saved-sessions.ts';
import type { CommandContext } from './command-line.ts';

export const spec: CommandSpec = {
  name: 'backup',
  summary: 'Write a consistent copy of the event log and the sessions into one file, while Starling runs or not.',
  positionals: [{ name: 'FILE', says: 'where to; a .tar.gz that only its owner can read' }],
  options: { force: { says: 'replace FILE when it exists' } },
  settings: ['data', 'logLevel'],
  environment: ['database'],
  meanings: { database: 'the PostgreSQL that has the sessions, where it is not the embedded one; needed while nothing runs' },
  notes: ['Everything else is built anew from the log by the first start after a restore.'],
};

export async function run(given: Arguments, context: CommandContext): Promise<number> {
  const file = resolve(given.positionals[0]!);
  const config = readConfig(given.flags);
  // With the log on servers the node says where a backup comes from.
  if (config.logEngine === 'lmdb') await requireDataDirectory(config.dataDirectory);
  const manifest = (await doJob(config, { job: 'backup', arguments: { file, force: given.switches.has('force') } }, [], context, () =>
    requireSessions(config),
  )) as Manifest;
  context.terminal.print(`Saved ${counted(manifest.commits, 'commit')} and ${counted(manifest.sessions, 'session')} to ${file}.`);
  return 0;
}

/** A node of our own would begin an empty PostgreSQL beside the log: the backup would have no sessions, and look like a good one. */
async function requireSessions({ databaseUrl, logEngine, dataDirectory }: Config): Promise<void> {
  if (databaseUrl !== undefined || logEngine !== 'lmdb') return;
  // After a restore they wait in a file for the first start.
  const places = [postgresFolder, savedSessionsName].map((name) => access(join(dataDirectory, name)));
  await Promise.any(places).catch((cause: unknown) => {
    throw new DataDirectoryError(
      `there is no PostgreSQL in ${dataDirectory}, which would have the sessions: say where it is with DATABASE_URL, or, if it is lost, start Starling once`,
      { cause },
    );
  });
}

function counted(count: number, what: string): string {
  return `${count.toLocaleString('en-US')} ${what}${count === 1 ? '' : 's'}`;
}

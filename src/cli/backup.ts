import { resolve } from 'node:path';
import { readConfig } from '../config.ts';
import { requireDataDirectory } from '../data-directory.ts';
import type { Arguments, CommandSpec } from './arguments.ts';
import { doJob } from './ask-node.ts';
import type { Manifest } from './backup/manifest.ts';
import type { CommandContext } from './command-line.ts';

export const spec: CommandSpec = {
  name: 'backup',
  summary: 'Write a consistent copy of the event log and the sessions into one file, while Starling runs or not.',
  positionals: [{ name: 'FILE', says: 'where to; a .tar.gz that only its owner can read' }],
  options: { force: { says: 'replace FILE when it exists' } },
  settings: ['data', 'logLevel'],
  notes: ['Everything else is built anew from the log by the first start after a restore.'],
};

export async function run(given: Arguments, context: CommandContext): Promise<number> {
  const file = resolve(given.positionals[0]!);
  const config = readConfig(given.flags);
  // With the log on servers the node says where a backup comes from.
  if (config.logEngine === 'lmdb') await requireDataDirectory(config.dataDirectory);
  const manifest = (await doJob(
    config,
    { job: 'backup', arguments: { file, force: given.switches.has('force') } },
    [],
    context,
  )) as Manifest;
  context.terminal.print(`Saved ${counted(manifest.commits, 'commit')} and ${counted(manifest.sessions, 'session')} to ${file}.`);
  return 0;
}

function counted(count: number, what: string): string {
  return `${count.toLocaleString('en-US')} ${what}${count === 1 ? '' : 's'}`;
}

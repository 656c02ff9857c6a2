import { readConfig } from '../config.ts';
import { settings } from '../settings.ts';
import type { Arguments, CommandSpec } from './arguments.ts';
import type { CommandContext } from './command-line.ts';
import { runUntilStopped } from './run-until-stopped.ts';

export const spec: CommandSpec = {
  name: 'actors',
  summary: 'Join one more actor node to a running cluster.',
  settings: ['data', 'log', 'space', 'logLevel', 'label'],
  notes: [
    'Environment:',
    `  ${settings.nats.environment}          ${settings.nats.says} (needed)`,
    `  ${settings.eventStoreDb.environment}  ${settings.eventStoreDb.says}, with --log eventstoredb`,
    'The event log is jetstream unless --log or STARLING_LOG says otherwise. Without --data it keeps nothing on this machine.',
    'Ctrl-C or SIGTERM: hand the shards over, finish what waits, then stop.',
  ],
};

export async function run(given: Arguments, context: CommandContext): Promise<number> {
  const config = readConfig(given.flags, undefined, undefined, { log: 'jetstream' });
  return runUntilStopped({ ...config, roles: ['actors'] }, context);
}

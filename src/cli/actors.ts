import { readConfig } from '../config.ts';
import { logEngines, serverSettings, settings } from '../settings.ts';
import type { Arguments, CommandSpec } from './arguments.ts';
import type { CommandContext } from './command-line.ts';
import { runUntilStopped } from './run-until-stopped.ts';

export const spec: CommandSpec = {
  name: 'actors',
  summary: 'Join one more actor node to a running cluster.',
  settings: ['data', 'log', 'space', 'logLevel', 'label'],
  meanings: {
    data: 'data directory (default: a temporary one, since nothing has to be kept on this machine)',
    log: `event log: ${logEngines.slice(1).join(', ')} (default jetstream)`,
    space: 'keeps systems apart that share servers (default "starling")',
    nats: `${settings.nats.says} (needed)`,
    eventStoreDb: `${settings.eventStoreDb.says}, with --log eventstoredb`,
  },
  environment: serverSettings.filter((name) => name !== 'database'),
  notes: ['Ctrl-C or SIGTERM: hand the shards over, finish what waits, then stop.'],
};

export async function run(given: Arguments, context: CommandContext): Promise<number> {
  const config = readConfig(given.flags, undefined, undefined, { log: 'jetstream' });
  return runUntilStopped({ ...config, roles: ['actors'] }, context);
}

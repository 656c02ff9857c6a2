import { readConfig } from '../config.ts';
import { serverSettings } from '../settings.ts';
import type { Arguments, CommandSpec } from './arguments.ts';
import type { CommandContext } from './command-line.ts';
import { runUntilStopped } from './run-until-stopped.ts';

export const spec: CommandSpec = {
  name: 'start',
  summary:
    'Run everything in one process: event log, actors, PostgreSQL, projections and the GraphQL gateway. Or a node of a cluster, with some roles.',
  options: { demo: { says: 'fill an empty system with a small lively population that posts and follows; one that has it goes on' } },
  settings: ['data', 'port', 'host', 'trustProxy', 'logLevel', 'label', 'roles', 'log', 'replicas', 'space'],
  environment: serverSettings,
  notes: ['Ctrl-C or SIGTERM: finish what runs, then stop. A second one, a second later, does not wait.'],
};

export async function run(given: Arguments, context: CommandContext): Promise<number> {
  return runUntilStopped(readConfig(given.flags), context, { demo: given.switches.has('demo') });
}

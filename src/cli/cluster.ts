import { fileURLToPath } from 'node:url';
import { narrowEnvironment, readConfig, readProgramSearch } from '../config.ts';
import { openDataDirectory, postgresFolder } from '../data-directory.ts';
import { limits } from '../limits.ts';
import { createLogger } from '../logger.ts';
import { nodeOptions } from '../node-options.ts';
import { startEmbeddedPostgres } from '../projections/embedded-postgres.ts';
import type { SettingName } from '../settings.ts';
import { createShutdownStack } from '../shutdown-stack.ts';
import type { Arguments, CommandSpec } from './arguments.ts';
import { UsageError } from './arguments.ts';
import { startBalancer } from './cluster/balancer.ts';
import { assertFree, freePorts } from './cluster/free-ports.ts';
import { findNatsServer } from './cluster/nats-server-binary.ts';
import { configureNatsServers, keepTogether } from './cluster/nats-servers.ts';
import { openStartedProcesses } from './cluster/orphans.ts';
import { superviseProcesses } from './cluster/processes.ts';
import { waitUntilReady } from './cluster/readiness.ts';
import type { CommandContext } from './command-line.ts';
import { aborted } from './interrupts.ts';
import { wholeNumber } from './whole-number.ts';

const settings: readonly SettingName[] = ['data', 'port', 'host', 'logLevel', 'label'];

export const spec: CommandSpec = {
  name: 'cluster',
  summary: 'Run a whole cluster on this machine: NATS with JetStream, PostgreSQL, gateways behind a balancer, actor and projection nodes.',
  options: {
    gateways: { placeholder: 'NUMBER', says: 'gateways behind the balancer (default 2)' },
    actors: { placeholder: 'NUMBER', says: 'actor nodes (default 3)' },
    projections: { placeholder: 'NUMBER', says: 'projection nodes, of which one is active for each projection (default 2)' },
    'nats-port': {
      placeholder: 'PORT',
      says: 'of the first of three NATS servers, the others follow; 0 takes any free ones (default 4222)',
    },
  },
  settings,
  meanings: { data: 'data directory (default ./data-cluster)' },
  notes: [
    'It brings its own servers, and takes no other settings. Each process is shown with its pid: kill one and watch the others take over; it is started',
    'again a few seconds later. nats-server is looked for on PATH, or where STARLING_NATS_SERVER says.',
    'Ctrl-C stops all, in order.',
  ],
};

const program = fileURLToPath(new URL('../../bin/starling.js', import.meta.url));

export async function run(given: Arguments, { terminal, clock, interrupts }: CommandContext): Promise<number> {
  const { environment, unused } = narrowEnvironment(settings);
  const config = readConfig(given.flags, environment, undefined, { data: './data-cluster' });
  if (unused.length > 0) terminal.say(`not used here, since a cluster brings its own servers: ${unused.join(', ')}`);
  const count = (name: string, otherwise: number): number => wholeNumber(given, name, otherwise, 1, limits.clusterNodesMax);
  const counts = { gateway: count('gateways', 2), actors: count('actors', 3), projections: count('projections', 2) };
  const natsPort = wholeNumber(given, 'nats-port', 4222, 0, 65_533);
  const nats = findNatsServer(readProgramSearch());
  if ('problem' in nats) throw new UsageError(`${nats.problem}: install it, or say where it is with STARLING_NATS_SERVER`);

  const logger = createLogger(config.logLevel);
  const stack = createShutdownStack(logger);
  try {
    const directory = await openDataDirectory(config.dataDirectory);
    stack.push('data directory', () => directory.release());
    const started = await openStartedProcesses(directory.inside('processes'), clock);
    for (const name of await started.endOrphans()) terminal.print(`${name} was left behind by an earlier start, and is ended`);
    const natsPorts = natsPort === 0 ? await freePorts(3) : [natsPort, natsPort + 1, natsPort + 2];
    await assertFree(natsPorts, 'choose other ports with --nats-port');
    await assertFree([config.port], 'choose another port with --port', config.host);
    const processes = superviseProcesses({ terminal, clock, started });

    terminal.print('PostgreSQL starts …');
    const postgres = await startEmbeddedPostgres({ directory: directory.inside(postgresFolder), logger, clock });
    stack.push('PostgreSQL', () => postgres.stop());
    stack.push('processes', () => processes.stop());
    const { host, user, database } = postgres.connection;
    terminal.print(`${terminal.bold('postgresql')} runs with pid ${postgres.pid()}`);

    const { environment: neutral } = narrowEnvironment([]);
    const servers = await configureNatsServers(nats.path, { directory: config.dataDirectory, ports: natsPorts, env: neutral });
    for (const server of servers.programs) processes.start(server);
    void keepTogether(servers, processes, clock, interrupts.signal);

    const env = {
      ...neutral,
      NATS_URL: servers.urls.join(','),
      DATABASE_URL: `postgresql:///${database}?user=${user}&host=${encodeURIComponent(host)}`,
      STARLING_LOG: 'jetstream',
      STARLING_LOG_REPLICAS: '3',
      STARLING_LABEL: config.label,
      STARLING_LOG_LEVEL: config.logLevel,
    };
    const gatewayPorts = await freePorts(counts.gateway);
    const startNode = (role: string, number: number, more: readonly string[] = []): void => {
      const name = `${role}-${number}`;
      const options = role === 'projections' ? nodeOptions : [];
      const args = [...options, program, 'start', '--roles', role, '--data', directory.inside(name), ...more];
      // What a node tells a person who starts it alone is told for all of them at the end.
      const shows = (line: string): boolean => !/^ |^A first query|^Ctrl-C|^Starling starts/.test(line);
      processes.start({ name, command: process.execPath, args, env, shows });
    };
    for (let number = 1; number <= counts.actors; number++) startNode('actors', number);
    for (let number = 1; number <= counts.projections; number++) startNode('projections', number);
    for (const [index, port] of gatewayPorts.entries()) startNode('gateway', index + 1, ['--port', String(port)]);

    const balancer = await startBalancer(config, gatewayPorts);
    stack.push('balancer', () => balancer.close());
    const ready = await waitUntilReady(gatewayPorts, clock, interrupts.signal);
    if (ready) {
      const lines = [
        '',
        terminal.bold('The cluster is ready'),
        `  GraphQL    http://${config.host}:${balancer.port}/graphql  (balancer; GraphiQL at http://${config.host}:${balancer.port}/)`,
        `  Gateways   ${gatewayPorts.map((port) => `http://127.0.0.1:${port}`).join('  ')}`,
        `  NATS_URL=${env.NATS_URL}`,
        `  DATABASE_URL='${env.DATABASE_URL}'`,
        '',
        'One more actor node:   NATS_URL=… npx starling actors',
        `What runs and where:   npx starling status --data ${directory.inside('gateway-1')}`,
        'Ctrl-C stops it.',
      ];
      for (const line of lines) terminal.print(line);
    }
    await aborted(interrupts.signal);
    terminal.print('The cluster stops …');
  } finally {
    await stack.stop();
  }
  terminal.print('stopped');
  return 0;
}

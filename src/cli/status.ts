import { readConfig } from '../config.ts';
import { controlSocketOf } from '../data-directory.ts';
import { holderOf } from '../directory-lock.ts';
import { limits } from '../limits.ts';
import { createLogger } from '../logger.ts';
import { shardCount } from '../transport/subjects.ts';
import { serverSettings } from '../settings.ts';
import { section } from './arguments.ts';
import type { Arguments, CommandSpec } from './arguments.ts';
import type { ClusterReport } from './cluster-status.ts';
import type { CommandContext } from './command-line.ts';
import { NotRunning, requestJob } from './control-client.ts';
import type { StatusReport } from './jobs/status-job.ts';
import { duration } from './progress.ts';

export const spec: CommandSpec = {
  name: 'status',
  summary: 'Show what runs on the data directory, or in the cluster, and how far the read models are behind.',
  options: { json: { says: 'as JSON, for programs' } },
  settings: ['data', 'log', 'space'],
  environment: serverSettings,
  notes: [
    `Where nothing runs on ./data, NATS_URL says which cluster to look at, and DATABASE_URL where its read models are; its event log is jetstream unless`,
    '--log or STARLING_LOG says otherwise. With --data or STARLING_DATA, only what runs there is shown.',
    'Exit code: 0 all is well, 1 nothing runs, a shard has no owner, or a read model has stopped or is far behind.',
  ],
};

export async function run(given: Arguments, context: CommandContext): Promise<number> {
  const { terminal, interrupts } = context;
  const config = readConfig(given.flags);
  const json = given.switches.has('json');
  let report: StatusReport;
  try {
    const request = { job: 'status', arguments: {} } as const;
    report = (await requestJob(await controlSocketOf(config.dataDirectory), request, {
      signal: interrupts.signal,
      report: () => undefined,
      silentMs: limits.statusSilentMs,
    })) as StatusReport;
  } catch (error) {
    if (!(error instanceof NotRunning)) throw error;
    const pid = await holderOf(config.dataDirectory).catch(() => undefined);
    if (pid === undefined && config.natsUrl !== undefined && !config.dataDirectoryGiven) return showCluster(given, context);
    if (json) terminal.print(JSON.stringify({ running: false, starting: pid !== undefined, healthy: false }));
    else
      terminal.print(
        pid === undefined
          ? `no Starling runs on ${config.dataDirectory}`
          : `the Starling with pid ${pid} is starting or stopping on ${config.dataDirectory}`,
      );
    return 1;
  }
  if (json) terminal.print(JSON.stringify({ running: true, ...report }, null, 2));
  else for (const line of nodeTable(report)) terminal.print(line);
  return report.healthy ? 0 : 1;
}

async function showCluster(given: Arguments, { terminal, clock, interrupts }: CommandContext): Promise<number> {
  // Only what is wrong is worth a line beside the answer.
  const config = readConfig(given.flags, undefined, true, { log: 'jetstream' });
  const logger = createLogger(config.logLevel);
  const { readClusterStatus } = await import('./cluster-status.ts');
  const report = await readClusterStatus({ ...config, natsUrl: config.natsUrl ?? [] }, { clock, logger }, interrupts.signal);
  if (given.switches.has('json')) terminal.print(JSON.stringify({ running: report.nodes.length > 0, ...report }, null, 2));
  else for (const line of clusterTable(report)) terminal.print(line);
  return report.healthy ? 0 : 1;
}

const count = (value: number): string => Math.round(value).toLocaleString('en-US');

function nodeTable(report: StatusReport): string[] {
  const { node, gateway, transport, log, actors } = report;
  const rows: (readonly [string, string])[] = [
    ['node', `${node.id}, pid ${node.pid}, ${node.roles.join(' + ') || 'no role'}, up ${duration(node.uptimeSeconds)}`],
    ['gateway', gateway === null ? 'none' : `${gateway.url}, ${count(gateway.subscribers)} subscriptions`],
    ['transport', `${transport.name}${transport.connected ? '' : ', not connected'}`],
    ['event log', `${count(log.commits)} commits, at ${log.position ?? 'its start'}`],
    ['actors', `${count(actors.active)} active, ${count(actors.waiting)} commands waiting, ${count(actors.commandsPerSecond)} commands/s`],
  ];
  return table(rows, report);
}

function clusterTable(report: ClusterReport): string[] {
  const { log, nodes } = report;
  const sum = (figure: 'shards' | 'activeActors' | 'commandsPerSecond') => count(nodes.reduce((total, node) => total + node[figure], 0));
  const rows: (readonly [string, string])[] = [
    ['event log', `${count(log.commits)} commits, at ${log.position ?? 'its start'}`],
    ['actors', `${sum('activeActors')} active, ${sum('commandsPerSecond')} commands/s`],
    ['shards', `${sum('shards')} of ${shardCount} are served`],
  ];
  return table(rows, report);
}

function table(rows: readonly (readonly [string, string])[], report: Pick<ClusterReport, 'nodes' | 'projections' | 'healthy'>): string[] {
  const projections = report.projections?.map((projection) => {
    const state =
      projection.stoppedBy !== null
        ? `STOPPED: ${projection.stoppedBy}`
        : projection.rebuilding
          ? 'being rebuilt'
          : projection.lagEvents === 0
            ? 'up to date'
            : `${count(projection.lagEvents)} events behind`;
    const holder = projection.heldBy === null ? 'applied by nobody' : `applied by ${projection.heldBy}`;
    return [projection.name, `${state}, ${count(projection.eventsPerSecond)} events/s, ${holder}`] as const;
  });
  const nodes = report.nodes.map((node) => {
    const actors = node.roles.includes('actors')
      ? `, ${node.shards} shards, ${count(node.activeActors)} actors, ${count(node.commandsPerSecond)} commands/s`
      : '';
    return [node.id, `${node.roles.join(' + ') || 'no role'}${node.phase === 'serving' ? '' : `, ${node.phase}`}${actors}`] as const;
  });
  return [
    ...section('System', rows),
    ...(nodes.length > 0
      ? section('Nodes', nodes)
      : ['', 'no node is heard: does one run, and is the space (--space, STARLING_SPACE) the same?']),
    ...(projections ? section('Read models', projections) : ['', 'DATABASE_URL does not say where the read models are']),
    '',
    report.healthy ? 'all is well' : 'NOT WELL',
  ].slice(1);
}

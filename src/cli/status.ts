import { readConfig } from '../config.ts';
import { controlSocketOf } from '../data-directory.ts';
import { holderOf } from '../directory-lock.ts';
import { section } from './arguments.ts';
import type { Arguments, CommandSpec } from './arguments.ts';
import type { CommandContext } from './command-line.ts';
import { NotRunning, requestJob } from './control-client.ts';
import type { StatusReport } from './jobs/status-job.ts';
import { duration } from './progress.ts';

export const spec: CommandSpec = {
  name: 'status',
  summary: 'Show what runs on the data directory and how far its read models are behind.',
  options: { json: { says: 'as JSON, for programs' } },
  settings: ['data'],
  notes: ['Exit code: 0 all is well, 1 nothing runs, or a read model has stopped or is far behind.'],
};

export async function run(given: Arguments, { terminal, interrupts }: CommandContext): Promise<number> {
  const config = readConfig(given.flags);
  const json = given.switches.has('json');
  let report: StatusReport;
  try {
    const request = { job: 'status', arguments: {} } as const;
    report = (await requestJob(await controlSocketOf(config.dataDirectory), request, {
      signal: interrupts.signal,
      report: () => undefined,
    })) as StatusReport;
  } catch (error) {
    if (!(error instanceof NotRunning)) throw error;
    const pid = await holderOf(config.dataDirectory).catch(() => undefined);
    if (json) terminal.print(JSON.stringify({ running: false, starting: pid !== undefined }));
    else
      terminal.print(
        pid === undefined
          ? `no Starling runs on ${config.dataDirectory}`
          : `the Starling with pid ${pid} is starting or stopping on ${config.dataDirectory}`,
      );
    return 1;
  }
  if (json) terminal.print(JSON.stringify({ running: true, ...report }, null, 2));
  else for (const line of table(report)) terminal.print(line);
  return report.healthy ? 0 : 1;
}

function table(report: StatusReport): string[] {
  const count = (value: number): string => Math.round(value).toLocaleString('en-US');
  const rows: (readonly [string, string])[] = [
    [
      'node',
      `${report.node.id}, pid ${report.node.pid}, ${report.node.roles.join(' + ') || 'no role'}, up ${duration(report.node.uptimeSeconds)}`,
    ],
    ['gateway', report.gateway === null ? 'none' : `${report.gateway.url}, ${count(report.gateway.subscribers)} subscriptions`],
    ['transport', `${report.transport.name}${report.transport.connected ? '' : ', not connected'}`],
    ['event log', `${count(report.log.commits)} commits, at ${report.log.position ?? 'its start'}`],
    [
      'actors',
      `${count(report.actors.active)} active, ${count(report.actors.waiting)} commands waiting, ${count(report.actors.commandsPerSecond)} commands/s`,
    ],
  ];
  const projections = report.projections.map((projection) => {
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
    ...section('Nodes', nodes),
    ...section('Read models', projections),
    '',
    report.healthy ? 'all is well' : 'NOT WELL',
  ].slice(1);
}

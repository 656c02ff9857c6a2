import { readConfig } from '../config.ts';
import { requireDataDirectory } from '../data-directory.ts';
import { projectionNames } from '../projections/read-model.ts';
import type { ProjectionReplay, ReplayReport } from '../projections/replay/replay.ts';
import { serverSettings } from '../settings.ts';
import type { Arguments, CommandSpec } from './arguments.ts';
import { UsageError, hint } from './arguments.ts';
import { doJob } from './ask-node.ts';
import type { CommandContext } from './command-line.ts';
import { duration } from './progress.ts';

export const spec: CommandSpec = {
  name: 'replay',
  summary: 'Build read models anew from the log beside the live ones, compare the two row by row, and swap.',
  positionals: [{ name: 'PROJECTION', optional: true, says: `${projectionNames.join(' or ')}; without it all of them` }],
  options: {
    force: { says: 'swap although rows differ' },
    rollback: { says: 'put the rows from before the last replay back, brought up to date' },
  },
  settings: ['data', 'log', 'space', 'logLevel'],
  environment: serverSettings,
  notes: ['The live read models serve on meanwhile. Where rows differ, every table is named, nothing is swapped and the exit code is 1.'],
};

export async function run(given: Arguments, context: CommandContext): Promise<number> {
  const [projection] = given.positionals;
  if (projection !== undefined && !projectionNames.some((name) => name === projection)) {
    throw new UsageError(`there is no projection "${projection}"${hint(projection, projectionNames)}: ${projectionNames.join(', ')} are`);
  }
  if (given.switches.has('rollback') && given.switches.has('force')) throw new UsageError('--rollback and --force do not go together');
  const config = readConfig(given.flags);
  // With the log on servers there may be none on this machine.
  if (config.logEngine === 'lmdb') await requireDataDirectory(config.dataDirectory);
  const chosen = projection === undefined ? {} : { projection };
  const { terminal } = context;
  if (given.switches.has('rollback')) {
    const { projections } = (await doJob(config, { job: 'rollback', arguments: chosen }, [], context)) as {
      projections: readonly string[];
    };
    terminal.print(`Rolled back: ${projections.join(', ')}.`);
    return 0;
  }
  const report = (await doJob(
    config,
    { job: 'replay', arguments: { ...chosen, force: given.switches.has('force') } },
    [],
    context,
  )) as ReplayReport;
  const count = (value: number): string => Math.round(value).toLocaleString('en-US');
  terminal.print(
    `${count(report.events)} events in ${duration(report.seconds)}, ${count(report.events / Math.max(report.seconds, 0.001))} events/s`,
  );
  for (const each of report.projections) for (const line of describe(each, count)) terminal.print(line);
  const swapped = report.projections.every((each) => each.swapped);
  if (!swapped) terminal.say(`${terminal.red('Nothing was swapped.')} The live rows are as they were; --force swaps nevertheless.`);
  return swapped ? 0 : 1;
}

function describe(replay: ProjectionReplay, count: (value: number) => string): string[] {
  const outcome = {
    equal: 'the rows are equal',
    different: 'ROWS DIFFER',
    built: 'built; there was nothing to compare with',
    'not-comparable': replay.detail ?? 'not comparable',
  }[replay.outcome];
  const tables = replay.tables.map(
    ({ table, liveRows, rebuiltRows, equal }) =>
      `  ${equal ? 'equal    ' : 'DIFFERENT'} ${table}: ${count(liveRows)} rows live, ${count(rebuiltRows)} rebuilt`,
  );
  return [`${replay.projection}: ${outcome}${replay.swapped ? ', swapped' : ''}`, ...tables];
}

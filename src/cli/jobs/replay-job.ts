import type { Node } from '../../node.ts';
import { projections } from '../../read-side.ts';
import type { Projection } from '../../projections/projection.ts';
import { projectionNames } from '../../projections/read-model.ts';
import type { ReplayReport } from '../../projections/replay/replay.ts';
import { replay, rollback } from '../../projections/replay/replay.ts';
import type { JobContext } from '../control-server.ts';
import { onlyArguments, switchArgument, textArgument, wrong } from './job-arguments.ts';
import { readSideOf } from './read-side-of.ts';

type Given = Readonly<Record<string, unknown>>;

export async function replayJob(node: Node, given: Given, context: JobContext): Promise<ReplayReport> {
  onlyArguments(given, ['projection', 'force']);
  const chosen = chooseProjections(given);
  const force = switchArgument(given, 'force');
  return replay({
    ...portsOf(node, context),
    projections: chosen,
    force,
    onProgress: ({ phase, eventsDone, eventsTotal }) => {
      if (phase === 'loading') context.report({ phase: 'rebuilding', done: eventsDone, total: eventsTotal, unit: 'events' });
      else if (phase !== 'done') context.report({ phase, done: 0, total: 0, unit: 'events' });
    },
  });
}

export async function rollbackJob(node: Node, given: Given, context: JobContext): Promise<{ projections: readonly string[] }> {
  onlyArguments(given, ['projection']);
  const chosen = chooseProjections(given);
  return rollback({ ...portsOf(node, context), projections: chosen });
}

function portsOf(node: Node, context: JobContext) {
  return { log: node.log, database: readSideOf(node).database, clock: node.clock, logger: node.logger, signal: context.signal };
}

function chooseProjections(given: Given): readonly Projection[] {
  const name = textArgument(given, 'projection');
  if (name === undefined) return projections;
  const chosen = projections.filter((projection) => projection.name === name);
  if (chosen.length === 0) throw wrong('projection', `is none of ${projectionNames.join(', ')}`);
  return chosen;
}

import type { Readiness } from './gateway/gateway.ts';
import { limits } from './limits.ts';
import type { Node } from './node.ts';

/** Caught up, and able to answer: what a load balancer wants to know. */
export async function readinessOf(node: Pick<Node, 'log' | 'readSide' | 'transport'>): Promise<Readiness> {
  const [log, database, projections] = await Promise.all([
    // One that does not know what is on disk has stopped, and refuses everything until the process is started again.
    answers(node.log.tail()),
    node.readSide === undefined || answers(node.readSide.readModel.position('network')),
    Promise.all((node.readSide?.projections ?? []).map((projection) => projection.status())),
  ]);
  const transport = node.transport.connected();
  const behind = projections.some((projection) => projection.stoppedBy !== null || projection.lagCommits > limits.readyLagCommitsMax);
  return {
    ready: log && database && transport && !behind,
    details: {
      log: log ? 'up' : 'down',
      database: database ? 'up' : 'down',
      transport: transport ? 'up' : 'down',
      projections: Object.fromEntries(
        projections.map(({ name, lagCommits, stoppedBy, rebuilding }) => [
          name,
          { lagCommits, state: stoppedBy !== null ? 'stopped' : rebuilding ? 'rebuilding' : 'running' },
        ]),
      ),
    },
  };
}

function answers(asked: Promise<unknown>): Promise<boolean> {
  return asked.then(
    () => true,
    () => false,
  );
}

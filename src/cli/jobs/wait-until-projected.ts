import type { Node } from '../../node.ts';
import { JobFailed } from '../control-protocol.ts';
import type { JobContext } from '../control-server.ts';

/** Waits until the read models of this node show all that is in the log now. A node without projections leaves that to others. */
export async function waitUntilProjected(node: Node, context: JobContext): Promise<void> {
  const tail = await node.log.tail();
  const { projections = [], caughtUp } = node.readSide ?? {};
  if (tail === undefined || projections.length === 0) return;
  const total = tail.position.commit;
  for (;;) {
    const statuses = await Promise.all(projections.map((projection) => projection.status()));
    const stopped = statuses.find((status) => status.stoppedBy !== null);
    if (stopped) throw new JobFailed('PROJECTION_STOPPED', `the read model "${stopped.name}" has stopped: ${stopped.stoppedBy}`);
    const done = Math.min(...statuses.map((status) => status.position?.commit ?? 0));
    context.report({ phase: 'read models', done, total, unit: 'commits' });
    if (done >= total) return;
    context.signal.throwIfAborted();
    await caughtUp?.waitFor(
      statuses.map((status) => status.name),
      tail.position,
      500,
    );
  }
}

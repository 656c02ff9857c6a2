import type { Generations } from './heartbeat.ts';
import type { Membership } from './members.ts';

/** A node of an older version, in a cluster that may have written what it cannot read. */
export class NodeOutdated extends Error {
  readonly code = 'NODE_OUTDATED';
  override readonly name = 'NodeOutdated';
}

/**
 * Newer events are written as soon as every node can read them: if all others can, they may stand in the log, and whoever cannot read them would stop at
 * the first. Jobs of the command line write none, and who is joining has yet to be let in. @throws {NodeOutdated}
 */
export function assertNotOutdated(membership: Pick<Membership, 'nodeId' | 'members'>, understands: Generations): void {
  const others = membership.members().filter(({ id, roles, phase }) => id !== membership.nodeId && roles.length > 0 && phase !== 'joining');
  const known = Math.min(...others.map((other) => other.understands.events));
  if (others.length === 0 || known <= understands.events) return;
  throw new NodeOutdated(
    `every node of this cluster reads events of generation ${known}, and this version of Starling only those up to ${understands.events}: ` +
      'there may be events in the log that it cannot read. Start this node with the version that the others have',
  );
}

import { createHash } from 'node:crypto';
import { shardCount } from '../../transport/subjects.ts';

const bytesOfWeight = 4;

/**
 * The owner of each shard: the node with the highest weight for it. Whoever knows the same nodes comes to the same placement, a node that joins
 * takes only its share, and one that leaves gives only its own, since no weight depends on anybody else.
 * Source: rendezvous hashing, Thaler and Ravishankar, "Using name-based mappings to increase hit rates", 1998.
 * Empty when there is no node.
 */
export function place(nodeIds: readonly string[]): readonly string[] {
  const [first, ...others] = nodeIds.toSorted();
  if (first === undefined) return [];
  const owners = Array.from({ length: shardCount }, () => first);
  const highest = weightsOf(first);
  for (const id of others) {
    for (const [shard, weight] of weightsOf(id).entries()) {
      // Of equal weights, one pair in four billion, the id that sorts first keeps the shard.
      if (weight <= highest[shard]!) continue;
      highest[shard] = weight;
      owners[shard] = id;
    }
  }
  return owners;
}

/** One number for each shard, as good as random and the same everywhere. */
function weightsOf(nodeId: string): Uint32Array {
  const bytes = createHash('shake256', { outputLength: shardCount * bytesOfWeight })
    .update(nodeId)
    .digest();
  return Uint32Array.from({ length: shardCount }, (_, shard) => bytes.readUInt32LE(shard * bytesOfWeight));
}

import type { Node } from '../../node.ts';
import type { ReadSide } from '../../read-side.ts';
import { JobFailed } from '../control-protocol.ts';

/** @throws {JobFailed} with the cure, when the node has no read models. */
export function readSideOf(node: Node): ReadSide {
  if (node.readSide) return node.readSide;
  throw new JobFailed('NO_READ_MODELS', 'this node only has actors: ask one with the role gateway or projections, or set DATABASE_URL');
}

import { limits } from '../limits.ts';
import type { ProjectionName } from './read-model.ts';

/**
 * Milliseconds that a projection rests after a batch, in which the next one gathers. A short rest as long as the batch is as small as people make it;
 * in a flood about as long as the batch took, but by its size, since how long it took depends on everybody else.
 */
export function pauseMsAfter(projection: ProjectionName, eventsOfBatch: number): number {
  const leastMs = limits.projectionPauseMs[projection];
  return Math.min(limits.projectionPauseMaxMs[projection], Math.max(leastMs, eventsOfBatch / limits.projectionEventsPerPauseMs));
}

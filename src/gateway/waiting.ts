import type { Position } from '../events/position.ts';
import { limits } from '../limits.ts';
import type { ProjectionName } from '../projections/read-model.ts';
import type { Context, GatewayServices } from './context.ts';
import { cursorInvalid, notCaughtUp } from './errors.ts';

type Waits = Pick<GatewayServices, 'logId' | 'logTail' | 'caughtUp'>;

/**
 * Read-your-writes: returns once `projections` have reached `position`. @throws NOT_CAUGHT_UP when that takes longer than `limits.caughtUpTimeoutMs`,
 * as it does for a position of the future. @throws CURSOR_INVALID for one of another log.
 */
export async function reach(services: Waits, projections: readonly ProjectionName[], position: Position | null | undefined): Promise<void> {
  if (position === null || position === undefined) return;
  if (position.logId !== services.logId) throw cursorInvalid('This position is one of another log.');
  if (position.commit === 0) return;
  if (!(await services.caughtUp.waitFor(projections, position, limits.caughtUpTimeoutMs))) throw notCaughtUp();
}

/** `atLeast` of a field: `reach`, and whatever the loaders give from then on is as new. */
export async function reachAtLeast(
  { services, loaders }: Pick<Context, 'services' | 'loaders'>,
  projections: readonly ProjectionName[],
  atLeast: Position | null | undefined,
): Promise<void> {
  await reach(services, projections, atLeast);
  // All that loaders read is made by this projection.
  if (atLeast && projections.includes('network')) loaders.reached(atLeast);
}

/** Before a miss in the read model counts as "there is none": waits until it shows all that the log held when this call began. @throws NOT_CAUGHT_UP */
export async function reachLogTail(services: Waits): Promise<void> {
  await reach(services, ['network'], await services.logTail());
}

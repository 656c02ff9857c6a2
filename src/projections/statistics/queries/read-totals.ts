import type { LogId } from '../../../events/ids.ts';
import type { Position } from '../../../events/position.ts';
import type { Session } from '../../database.ts';
import { positionOrNull } from '../../places.ts';
import { runMs } from './rows.ts';

/** Over all runs. */
export async function readTotals(
  session: Session,
  logId: LogId,
): Promise<{ amount: number; elapsedSeconds: number; position: Position | null }> {
  const [found] = await session.query<{ amount: string; elapsed_ms: string; read_at: string | null }>({
    name: 'totals',
    text: `
      select
        (select coalesce(sum(amount), 0) from statistics.types) as amount,
        (select coalesce(sum(${runMs}), 0) from statistics.runs run) as elapsed_ms,
        (select place from starling.checkpoints where projection = 'statistics') as read_at`,
  });
  return {
    amount: Number(found!.amount),
    elapsedSeconds: Number(found!.elapsed_ms) / 1_000,
    position: positionOrNull(logId, found!.read_at),
  };
}

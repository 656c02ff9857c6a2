import type { LogId, RunId } from '../../../events/ids.ts';
import { positionOf } from '../../../events/position.ts';
import type { RunRow } from '../../read-model.ts';

/** An open run lasts until its last event, which a clock that was set back may have put before its beginning. */
export const runMs = 'greatest(coalesce(run.ended_at, run.last_event_at, run.started_at) - run.started_at, 0)';

/** Columns of a run from `run`, an alias. */
export const runColumns = `
  run.id, run.place, run.label, run.started_at, run.ended_at, ${runMs} as elapsed_ms,
  (
    select coalesce(json_agg(json_build_object('type', type, 'amount', amount, 'peak', peak) order by type), '[]')
    from statistics.types where run_id = run.id
  ) as by_type`;

export interface RunColumns {
  readonly id: RunId;
  readonly place: string;
  readonly label: string;
  readonly started_at: string;
  readonly ended_at: string | null;
  readonly elapsed_ms: string;
  readonly by_type: readonly { readonly type: string; readonly amount: number; readonly peak: number }[];
}

export function runRow(logId: LogId, found: RunColumns): RunRow {
  const elapsedSeconds = Number(found.elapsed_ms) / 1_000;
  return {
    id: found.id,
    label: found.label,
    startedAt: Number(found.started_at),
    endedAt: found.ended_at === null ? null : Number(found.ended_at),
    position: positionOf(logId, found.place),
    amount: found.by_type.reduce((sum, { amount }) => sum + amount, 0),
    elapsedSeconds,
    byType: found.by_type.map(({ type, amount, peak }) => ({
      type,
      amount,
      perSecond: elapsedSeconds > 0 ? amount / elapsedSeconds : 0,
      peakPerSecond: peak,
    })),
  };
}

import type { RecordedCommit } from '../../events/event-log.ts';
import type { RunId } from '../../events/ids.ts';
import type { Session } from '../../projections/database.ts';
import type { Findings } from './findings.ts';

/** How many events of which type each run has: an event belongs to the run that was started last before it. */
export interface StatisticsModel {
  apply(commit: RecordedCommit): void;
  compare(session: Session, findings: Findings): Promise<void>;
}

export function createStatisticsModel(): StatisticsModel {
  const amounts = new Map<string, number>();
  let run: RunId | undefined;

  return {
    apply({ events }) {
      for (const event of events) {
        if (event.type === 'RunStarted') run = event.runId;
        else if (event.type !== 'RunEnded' && run !== undefined)
          amounts.set(`${run} ${event.type}`, (amounts.get(`${run} ${event.type}`) ?? 0) + 1);
      }
    },
    async compare(session, findings) {
      const rows = await session.query<{ run: string; type: string; amount: string; seconds: string }>({
        text: `
          select run_id::text as run, type, amount,
            (select coalesce(sum(amount), 0) from statistics.seconds where seconds.run_id = types.run_id and seconds.type = types.type) as seconds
          from statistics.types order by run_id, type`,
      });
      const unseen = new Map(amounts);
      for (const { run: id, type, amount, seconds } of rows) {
        const expected = amounts.get(`${id} ${type}`) ?? 0;
        unseen.delete(`${id} ${type}`);
        if (Number(amount) !== expected) findings.found('statistics', `run ${id}: ${amount} ${type}, and the log has ${expected}`);
        if (Number(seconds) !== expected)
          findings.found('statistics', `run ${id}: ${seconds} ${type} over all seconds, and the log has ${expected}`);
      }
      for (const [key, amount] of unseen) findings.found('statistics', `run ${key}: missing, and the log has ${amount}`);
      findings.looked('read models', { 'kinds of events in runs': rows.length });
    },
  };
}

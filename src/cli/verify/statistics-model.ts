import type { RecordedCommit } from '../../events/event-log.ts';
import { runsStream } from '../../events/ids.ts';
import type { RunId } from '../../events/ids.ts';
import type { Session } from '../../projections/database.ts';
import { placeOfEvent } from '../../projections/places.ts';
import type { Findings } from './findings.ts';

// The runs, and how many events of which type each has: an event belongs to the run that was started last before it. How they lie over the seconds is
// kept as sums of the seconds and of their squares, since a log has more seconds than memory.

export interface StatisticsModel {
  apply(commit: RecordedCommit): void;
  compare(session: Session): Promise<void>;
}

interface ModelRun {
  readonly place: number;
  readonly startedAt: number;
  readonly label: string;
  endedAt: number | null;
  lastEventAt: number | null;
}

interface Amount {
  events: number;
  lastPlace: number;
  seconds: bigint;
  squares: bigint;
}

export function createStatisticsModel(findings: Findings): StatisticsModel {
  const runs = new Map<RunId, ModelRun>();
  const amounts = new Map<string, Amount>();
  let current: RunId | undefined;
  let open: RunId | undefined;

  function count({ commit, time }: RecordedCommit, run: RunId, type: string, index: number): void {
    const key = `${run} ${type}`;
    const amount = amounts.get(key) ?? { events: 0, lastPlace: 0, seconds: 0n, squares: 0n };
    amounts.set(key, amount);
    const second = BigInt(Math.floor(time / 1_000));
    amount.events += 1;
    amount.lastPlace = placeOfEvent(commit, index);
    amount.seconds += second;
    amount.squares += second * second;
    const { lastEventAt } = runs.get(run)!;
    runs.get(run)!.lastEventAt = Math.max(time, lastEventAt ?? time);
  }

  return {
    apply(commit) {
      const { events, stream, time } = commit;
      const impossible = (what: string) => findings.found('impossibleEvents', `commit ${commit.commit} (${stream}): ${what}`);
      for (const [index, event] of events.entries()) {
        if (event.type !== 'RunStarted' && event.type !== 'RunEnded') {
          if (current !== undefined) count(commit, current, event.type, index);
          continue;
        }
        if (stream !== runsStream) impossible(`${event.type} stands outside of the stream of runs`);
        else if (event.type === 'RunStarted' && open !== undefined) impossible('RunStarted comes while another run is open');
        else if (event.type === 'RunEnded' && open !== event.runId) impossible('RunEnded ends a run that is not open');
        if (event.type === 'RunStarted') {
          const run = { place: placeOfEvent(commit.commit, index), startedAt: time, label: event.label, endedAt: null, lastEventAt: null };
          if (!runs.has(event.runId)) runs.set(event.runId, run);
          current = open = event.runId;
        } else {
          const run = runs.get(event.runId);
          if (run) run.endedAt ??= event.endedAt;
          open = undefined;
        }
      }
    },
    async compare(session) {
      await compareRuns(session, runs, findings);
      await compareAmounts(session, amounts, findings);
    },
  };
}

async function compareRuns(session: Session, runs: ReadonlyMap<RunId, ModelRun>, findings: Findings): Promise<void> {
  const rows = await session.query<Record<'place' | 'started_at' | 'ended_at' | 'last_event_at' | 'label', string | null> & { id: RunId }>({
    text: 'select id, place, started_at, ended_at, last_event_at, label from statistics.runs order by id',
  });
  const unseen = new Set(runs.keys());
  for (const { id, place, started_at: startedAt, ended_at: endedAt, last_event_at: lastEventAt, label } of rows) {
    unseen.delete(id);
    const run = runs.get(id);
    if (run === undefined) findings.found('statistics', `run ${id}: too many, the log has no such run`);
    else if (Number(place) !== run.place || Number(startedAt) !== run.startedAt || label !== run.label)
      findings.found('statistics', `run ${id}: begun at another place or time, or with another label`);
    else if (numberOrNull(endedAt) !== run.endedAt || numberOrNull(lastEventAt) !== run.lastEventAt)
      findings.found(
        'statistics',
        `run ${id}: ended at ${endedAt} after ${lastEventAt}, and in the log at ${run.endedAt} after ${run.lastEventAt}`,
      );
  }
  for (const id of unseen) findings.found('statistics', `run ${id}: missing`);
  findings.looked('read models', { runs: rows.length });
}

async function compareAmounts(session: Session, amounts: ReadonlyMap<string, Amount>, findings: Findings): Promise<void> {
  const rows = await session.query<
    Record<'run' | 'type', string> & Record<'amount' | 'peak' | 'events' | 'most' | 'place' | 'seconds' | 'squares', string | null>
  >({
    text: `
      select run_id::text as run, type, types.amount, peak, over.events, over.most, over.place, over.seconds, over.squares
      from statistics.types full join (
        select run_id, type, sum(amount) as events, max(amount) as most, max(place) as place,
          sum(second::numeric * amount) as seconds, sum(second::numeric * second * amount) as squares
        from statistics.seconds group by run_id, type
      ) over using (run_id, type)
      order by run_id, type`,
  });
  const unseen = new Map(amounts);
  for (const row of rows) {
    const { run, type } = row;
    const expected = amounts.get(`${run} ${type}`) ?? { events: 0, lastPlace: 0, seconds: 0n, squares: 0n };
    unseen.delete(`${run} ${type}`);
    const what = (events: string | null) => `run ${run}: ${events ?? 'no'} ${type}`;
    const isSpread =
      row.seconds === String(expected.seconds) && row.squares === String(expected.squares) && Number(row.place) === expected.lastPlace;
    if (Number(row.amount) !== expected.events) findings.found('statistics', `${what(row.amount)}, and the log has ${expected.events}`);
    if (Number(row.events) !== expected.events)
      findings.found('statistics', `${what(row.events)} over all seconds, and the log has ${expected.events}`);
    else if (!isSpread) findings.found('statistics', `${what(row.events)} in other seconds, or up to another place, than in the log`);
    else if (row.peak !== null && row.peak !== row.most)
      findings.found('statistics', `${what(row.peak)} in one second at the most, where the seconds have ${row.most}`);
  }
  for (const [key, { events }] of unseen) findings.found('statistics', `run ${key}: missing, and the log has ${events}`);
  findings.looked('read models', { 'kinds of events in runs': rows.length });
}

function numberOrNull(value: string | null): number | null {
  return value === null ? null : Number(value);
}

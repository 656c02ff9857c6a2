import type { RecordedCommit } from '../../events/event-log.ts';
import type { RunId } from '../../events/ids.ts';
import { placeOfEvent } from '../places.ts';

export interface StatisticsChanges {
  readonly started: readonly { readonly id: RunId; readonly place: number; readonly time: number; readonly label: string }[];
  readonly ended: readonly { readonly id: RunId; readonly endedAt: number }[];
  readonly counted: readonly Counted[];
  /** The latest event of each run. */
  readonly lastEvents: ReadonlyMap<RunId, number>;
}

/** The events of one type in one second of a run. */
export interface Counted {
  readonly run: RunId;
  /** Since the epoch. */
  readonly second: number;
  readonly type: string;
  /** Of each event, rising. */
  readonly places: readonly number[];
}

/**
 * `current`: the run that was started last before these commits. An event belongs to the run started last, also when that one has ended already:
 * a command may still arrive while a system stops. Events before the first run belong to none and are not counted.
 */
export function foldStatistics(commits: readonly RecordedCommit[], current: RunId | undefined): StatisticsChanges {
  const started: StatisticsChanges['started'][number][] = [];
  const ended: StatisticsChanges['ended'][number][] = [];
  const counted = new Map<string, Counted & { readonly places: number[] }>();
  const lastEvents = new Map<RunId, number>();
  let run = current;
  let last: (Counted & { readonly places: number[] }) | undefined;
  for (const commit of commits) {
    for (const [index, event] of commit.events.entries()) {
      const place = placeOfEvent(commit.commit, index);
      if (event.type === 'RunStarted') {
        started.push({ id: event.runId, place, time: commit.time, label: event.label });
        run = event.runId;
      } else if (event.type === 'RunEnded') {
        ended.push({ id: event.runId, endedAt: event.endedAt });
      } else if (run !== undefined) {
        const second = Math.floor(commit.time / 1_000);
        // Most events are like the one before them.
        if (last === undefined || last.second !== second || last.type !== event.type || last.run !== run) {
          const key = keyOfSecond(run, second, event.type);
          last = counted.get(key) ?? { run, second, type: event.type, places: [] };
          counted.set(key, last);
        }
        last.places.push(place);
        lastEvents.set(run, Math.max(commit.time, lastEvents.get(run) ?? commit.time));
      }
    }
  }
  return { started, ended, counted: [...counted.values()], lastEvents };
}

export function keyOfSecond(run: string, second: number | string, type: string): string {
  return `${run} ${second} ${type}`;
}

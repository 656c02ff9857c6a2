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

export interface StatisticsFold {
  /** In the order of the log. */
  add(commit: RecordedCommit): void;
  /** The run started last. */
  run(): RunId | undefined;
  changes(): StatisticsChanges;
}

/**
 * `current`: the run that was started last before the first commit. An event belongs to the run started last, also when that one has ended already:
 * a command may still arrive while a system stops. Events before the first run belong to none and are not counted.
 */
export function createStatisticsFold(current: RunId | undefined): StatisticsFold {
  const started: StatisticsChanges['started'][number][] = [];
  const ended: StatisticsChanges['ended'][number][] = [];
  const counted = new Map<string, Counted & { readonly places: number[] }>();
  const lastEvents = new Map<RunId, number>();
  let run = current;
  let last: (Counted & { readonly places: number[] }) | undefined;

  return {
    add({ commit, time, events }) {
      for (const [index, event] of events.entries()) {
        const place = placeOfEvent(commit, index);
        if (event.type === 'RunStarted') {
          started.push({ id: event.runId, place, time, label: event.label });
          run = event.runId;
        } else if (event.type === 'RunEnded') {
          ended.push({ id: event.runId, endedAt: event.endedAt });
        } else if (run !== undefined) {
          const second = Math.floor(time / 1_000);
          // Most events are like the one before them.
          if (last === undefined || last.second !== second || last.type !== event.type || last.run !== run) {
            const key = keyOfSecond(run, second, event.type);
            last = counted.get(key) ?? { run, second, type: event.type, places: [] };
            counted.set(key, last);
          }
          last.places.push(place);
          lastEvents.set(run, Math.max(time, lastEvents.get(run) ?? time));
        }
      }
    },
    run: () => run,
    changes: () => ({ started, ended, counted: [...counted.values()], lastEvents }),
  };
}

export function keyOfSecond(run: string, second: number | string, type: string): string {
  return `${run} ${second} ${type}`;
}

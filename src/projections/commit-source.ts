import type { EventLog, RecordedCommit } from '../events/event-log.ts';
import type { Position } from '../events/position.ts';
import { createPredecessorCheck } from './chain-check.ts';

/** Commits of the log, read ahead within a bound while the ones before are applied. */
export interface CommitSource {
  /**
   * All that has arrived, up to about `eventsMax` events and at least one commit; waits when there is none. Undefined at the end: closed, aborted,
   * or the log has closed. What the subscription throws is thrown here, after the commits before it.
   */
  take(eventsMax: number): Promise<readonly RecordedCommit[] | undefined>;
  /** Events that wait to be taken. */
  waiting(): number;
  close(): void;
}

export function openCommitSource(
  log: EventLog,
  after: Position | 'start',
  options: { readAheadEvents: number; signal: AbortSignal },
): CommitSource {
  const closing = new AbortController();
  const signal = AbortSignal.any([closing.signal, options.signal]);
  const check = createPredecessorCheck(after === 'start' ? 0 : after.commit);
  let arrived: RecordedCommit[] = [];
  let waiting = 0;
  let ended = false;
  let failure: unknown;
  let wakeTaker = () => {};
  let wakeReader = () => {};
  const wakeBoth = () => {
    wakeTaker();
    wakeReader();
  };
  signal.addEventListener('abort', wakeBoth, { once: true });

  const readAhead = async () => {
    try {
      for await (const batch of log.subscribe(after, signal)) {
        for (const commit of batch) {
          check(commit);
          arrived.push(commit);
          waiting += commit.events.length;
        }
        wakeTaker();
        while (waiting >= options.readAheadEvents && !signal.aborted) await new Promise<void>((resolve) => (wakeReader = resolve));
      }
    } catch (cause) {
      failure = cause;
    }
    ended = true;
    wakeTaker();
  };
  void readAhead();

  return {
    take: async (eventsMax) => {
      while (arrived.length === 0 && !ended && !signal.aborted) await new Promise<void>((resolve) => (wakeTaker = resolve));
      if (signal.aborted) return undefined;
      if (arrived.length === 0) {
        if (failure !== undefined) throw failure;
        return undefined;
      }
      let events = 0;
      let count = 0;
      do {
        events += arrived[count]!.events.length;
        count += 1;
      } while (count < arrived.length && events + arrived[count]!.events.length <= eventsMax);
      const taken = arrived;
      arrived = count === taken.length ? [] : taken.splice(count);
      waiting -= events;
      wakeReader();
      return taken;
    },
    waiting: () => waiting,
    close: () => {
      closing.abort();
      signal.removeEventListener('abort', wakeBoth);
    },
  };
}

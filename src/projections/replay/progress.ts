import type { Clock } from '../../clock.ts';

export type ReplayPhase = 'loading' | 'comparing' | 'catching up' | 'swapping' | 'done';

export interface ReplayProgress {
  readonly phase: ReplayPhase;
  readonly eventsDone: number;
  /** Estimated while loading: the log knows how many commits it has, not how many events. */
  readonly eventsTotal: number;
  readonly eventsPerSecond: number;
  /** Undefined before there is anything to judge by. */
  readonly secondsLeft: number | undefined;
}

/** Counts what was loaded and tells at most every 100 ms, and at each new phase. */
export function createProgress(clock: Clock, commitsTotal: number, onProgress: ((progress: ReplayProgress) => void) | undefined) {
  const startedAt = clock.monotonicMs();
  let toldAt = -Infinity;
  let commits = 0;
  let events = 0;
  let phase: ReplayPhase = 'loading';
  const tell = () => {
    if (onProgress === undefined) return;
    const now = clock.monotonicMs();
    toldAt = now;
    const seconds = Math.max((now - startedAt) / 1_000, 0.001);
    const share = commitsTotal === 0 ? 1 : Math.min(1, commits / commitsTotal);
    onProgress({
      phase,
      eventsDone: events,
      eventsTotal: share === 1 || commits === 0 ? Math.max(events, commitsTotal - commits) : Math.round(events / share),
      eventsPerSecond: events / seconds,
      secondsLeft: commits === 0 ? undefined : (seconds / share) * (1 - share),
    });
  };
  return {
    enter: (next: ReplayPhase) => {
      // The last word of what ends: all of it is done.
      if (next !== phase) tell();
      phase = next;
      tell();
    },
    count: (moreCommits: number, moreEvents: number) => {
      commits += moreCommits;
      events += moreEvents;
      if (clock.monotonicMs() - toldAt >= 100) tell();
    },
    events: () => events,
    seconds: () => (clock.monotonicMs() - startedAt) / 1_000,
  };
}

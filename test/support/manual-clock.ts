import type { Clock } from '../../src/clock.ts';

export interface ManualClock extends Clock {
  /** Lets time pass: wakes sleepers in the order in which they are due, and lets what they start run before the next. */
  advance(ms: number): Promise<void>;
  /** How many sleep. */
  sleepers(): number;
}

/** A clock that stands still until a test moves it. */
export function createManualClock(startAt = 1_700_000_000_000): ManualClock {
  let now = 0;
  const sleeping = new Set<{ dueAt: number; wake: () => void }>();
  // One turn of the event loop: every promise that can go on has gone on.
  const settle = () => new Promise<void>((resolve) => void setImmediate(resolve));
  return {
    now: () => startAt + now,
    monotonicMs: () => now,
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        if (signal?.aborted) return resolve();
        const sleeper = {
          dueAt: now + ms,
          wake: () => {
            sleeping.delete(sleeper);
            signal?.removeEventListener('abort', sleeper.wake);
            resolve();
          },
        };
        sleeping.add(sleeper);
        signal?.addEventListener('abort', sleeper.wake, { once: true });
      }),
    async advance(ms) {
      const end = now + ms;
      await settle();
      for (;;) {
        const next = [...sleeping].filter((sleeper) => sleeper.dueAt <= end).toSorted((a, b) => a.dueAt - b.dueAt)[0];
        if (next === undefined) break;
        now = Math.max(now, next.dueAt);
        next.wake();
        await settle();
      }
      now = end;
    },
    sleepers: () => sleeping.size,
  };
}

import type { Clock } from '../../src/clock.ts';

/** A clock that stands still until the simulation moves it; between two moves everything that can run runs. */
export interface SimulatedClock extends Clock {
  /** Moves from one sleeper to the next until `done`, for at most `ms`; false when the time was over first, or nobody sleeps any more. */
  runUntil(done: () => boolean, ms: number): Promise<boolean>;
  /** Moves on by `ms`, waking sleepers on the way. */
  advance(ms: number): Promise<void>;
}

interface Sleeper {
  readonly wakeAt: number;
  readonly order: number;
  readonly wake: () => void;
}

export function createSimulatedClock(startMs = Date.UTC(2030, 0, 1)): SimulatedClock {
  let now = startMs;
  let order = 0;
  let sleepers: Sleeper[] = [];

  // All promises that are settled run their course before the next macrotask.
  const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

  function takeNext(before: number): Sleeper | undefined {
    let next: Sleeper | undefined;
    for (const each of sleepers) {
      if (next === undefined || each.wakeAt < next.wakeAt || (each.wakeAt === next.wakeAt && each.order < next.order)) next = each;
    }
    if (next === undefined || next.wakeAt > before) return undefined;
    sleepers = sleepers.filter((each) => each !== next);
    return next;
  }

  async function runUntil(done: () => boolean, ms: number): Promise<boolean> {
    const end = now + ms;
    await settle();
    while (!done()) {
      const next = takeNext(end);
      if (next === undefined) {
        now = end;
        return false;
      }
      now = Math.max(now, next.wakeAt);
      next.wake();
      await settle();
    }
    return true;
  }

  return {
    // Whole milliseconds, as the clock on the wall has them.
    now: () => Math.floor(now),
    monotonicMs: () => now,
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        if (signal?.aborted) return resolve();
        const cancel = () => {
          sleepers = sleepers.filter((each) => each !== sleeper);
          resolve();
        };
        const wake = () => {
          signal?.removeEventListener('abort', cancel);
          resolve();
        };
        const sleeper: Sleeper = { wakeAt: now + Math.max(0, ms), order: order++, wake };
        sleepers.push(sleeper);
        signal?.addEventListener('abort', cancel, { once: true });
      }),
    runUntil,
    advance: async (ms) => {
      await runUntil(() => false, ms);
    },
  };
}

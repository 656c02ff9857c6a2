import type { Clock } from '../../clock.ts';

/** Does something at most once in a while, and says how often it was asked to since: when everything fails, it fails a thousand times a second in the same way. */
export function createRarely(clock: Clock, everyMs: number) {
  let quietUntil = -Infinity;
  let skipped = 0;

  return function rarely(work: (skipped: number) => void): void {
    if (clock.monotonicMs() < quietUntil) {
      skipped++;
      return;
    }
    quietUntil = clock.monotonicMs() + everyMs;
    work(skipped);
    skipped = 0;
  };
}

import type { Clock } from '../clock.ts';

const windowSeconds = 5;

/** Counts over the last seconds, in a bucket for each. */
export function createRate(clock: Clock): { count(amount: number): void; perSecond(): number } {
  const buckets = new Map<number, number>();
  const second = () => Math.floor(clock.monotonicMs() / 1_000);
  const forget = (now: number) => {
    for (const bucket of buckets.keys()) if (bucket <= now - windowSeconds) buckets.delete(bucket);
  };
  return {
    count: (amount) => {
      const now = second();
      buckets.set(now, (buckets.get(now) ?? 0) + amount);
      forget(now);
    },
    perSecond: () => {
      forget(second());
      let sum = 0;
      for (const amount of buckets.values()) sum += amount;
      return sum / windowSeconds;
    },
  };
}

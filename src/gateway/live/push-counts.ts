import type { Metrics } from '../../metrics.ts';
import type { Meters } from '../../transport/meter-reports.ts';

/** Counts pushes one by one and tells them in sums: a burst of thousands costs the metrics one call. */
export function createPushCounts(options: { metrics: Metrics; meters?: Pick<Meters, 'count'> }) {
  const counts = new Map<string, number>();
  let scheduled = false;
  const tell = () => {
    scheduled = false;
    for (const [field, amount] of counts) {
      options.metrics.pushes.inc({ field }, amount);
      // A sample is no entry; were it one, whoever watches an idle system would see it work.
      if (field !== 'throughput') options.meters?.count('entriesPushed', amount);
    }
    counts.clear();
  };
  return {
    pushed(field: string): void {
      counts.set(field, (counts.get(field) ?? 0) + 1);
      if (scheduled) return;
      scheduled = true;
      queueMicrotask(tell);
    },
  };
}

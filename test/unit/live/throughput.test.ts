import { expect, test } from 'vitest';
import type { RecordedCommit } from '../../../src/events/event-log.ts';
import { createPushCounts } from '../../../src/gateway/live/push-counts.ts';
import { createThroughput } from '../../../src/gateway/live/throughput.ts';
import type { ThroughputSample, ThroughputStream } from '../../../src/gateway/live/throughput.ts';
import { createMetrics } from '../../../src/metrics.ts';
import { createManualClock } from '../../support/manual-clock.ts';

const commits = (count: number, type: string): RecordedCommit[] =>
  Array.from({ length: count }, () => ({ events: [{ type }] }) as unknown as RecordedCommit);

function collect(stream: ThroughputStream): ThroughputSample[] {
  const samples: ThroughputSample[] = [];
  stream.attach({ deliver: ({ throughput }) => void samples.push(throughput), room: () => undefined, ended: () => undefined });
  return samples;
}

test('a sample counts what happened in its window, and the peak is that of its busiest second', async () => {
  const clock = createManualClock();
  const throughput = createThroughput({ clock, metrics: createMetrics() });
  throughput.countCommits(commits(99, 'PostCreated'));
  const samples = collect(throughput.open(3_000));
  throughput.countCommits(commits(6, 'PostCreated'));
  await clock.advance(1_000);
  throughput.countCommits([...commits(30, 'PostCreated'), ...commits(3, 'UserFollowed'), ...commits(1, 'RunStarted')]);
  throughput.countReport({ commandsAnswered: 12, eventsProjected: 24, entriesPushed: 36 });
  await clock.advance(2_000);
  await clock.advance(3_000);
  expect(samples).toEqual([
    {
      at: clock.now() - 3_000,
      windowMs: 3_000,
      commandsPerSecond: 4,
      eventsPerSecond: 13,
      projectedPerSecond: 8,
      pushedPerSecond: 12,
      byType: [
        { type: 'PostCreated', amount: 36, perSecond: 12, peakPerSecond: 30 },
        { type: 'UserFollowed', amount: 3, perSecond: 1, peakPerSecond: 3 },
      ],
    },
    { at: clock.now(), windowMs: 3_000, commandsPerSecond: 0, eventsPerSecond: 0, projectedPerSecond: 0, pushedPerSecond: 0, byType: [] },
  ]);
  throughput.close();
});

test('a sample that comes late does not make the next window so short that its rates mean nothing', async () => {
  const clock = createManualClock();
  let lateMs = 80;
  const busy = { ...clock, sleep: (ms: number, signal?: AbortSignal) => clock.sleep(ms + lateMs, signal) };
  const throughput = createThroughput({ clock: busy, metrics: createMetrics() });
  const samples = collect(throughput.open(100));
  for (const [advanceMs, nextLateMs] of [
    [180, 30],
    [80, 0],
    [70, 0],
    [100, 0],
  ] as const) {
    lateMs = nextLateMs;
    await clock.advance(advanceMs);
  }
  expect(samples.map(({ windowMs }) => windowMs)).toEqual([180, 80, 70, 100]);
  throughput.close();
});

test('subscribers of the same window share a timer, and the last to leave ends it', async () => {
  const clock = createManualClock();
  const throughput = createThroughput({ clock, metrics: createMetrics() });
  const [one, two, other] = [throughput.open(100), throughput.open(100), throughput.open(500)];
  const samples = collect(two);
  await clock.advance(100);
  expect([clock.sleepers(), samples.length]).toEqual([2, 1]);
  one.end();
  await clock.advance(100);
  expect(samples.length).toBe(2);
  two.end();
  other.end();
  await clock.advance(1_000);
  expect([clock.sleepers(), samples.length]).toEqual([0, 2]);
});

test('pushes are told in sums, and samples are not entries', async () => {
  const metrics = createMetrics();
  const told: number[] = [];
  const counts = createPushCounts({ metrics, meters: { count: (_, amount) => told.push(amount) } });
  for (const field of ['homeTimeline', 'throughput', 'homeTimeline', 'homeTimeline']) counts.pushed(field);
  await Promise.resolve();
  expect(told).toEqual([3]);
  expect(await metrics.text()).toMatch(/pushes_total\{field="homeTimeline"\} 3\n.*pushes_total\{field="throughput"\} 1\n/s);
});

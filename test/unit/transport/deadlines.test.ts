import { expect, it } from 'vitest';
import { createDeadlines } from '../../../src/transport/deadlines.ts';
import { createManualClock } from '../../support/manual-clock.ts';

it('expires once, not before its time and at most one step later', async () => {
  const clock = createManualClock();
  const deadlines = createDeadlines(clock);
  const expired: number[] = [];
  deadlines.add(100, () => expired.push(clock.monotonicMs()));
  await clock.advance(99);
  expect(expired).toEqual([]);
  await clock.advance(1_000);
  expect(expired).toHaveLength(1);
  expect(expired[0]).toBeGreaterThanOrEqual(100);
  expect(expired[0]).toBeLessThanOrEqual(108);
});

it('wakes in time for an earlier deadline that comes later, and keeps the order', async () => {
  const clock = createManualClock();
  const deadlines = createDeadlines(clock);
  const expired: string[] = [];
  deadlines.add(5_000, () => expired.push('late'));
  await clock.advance(10);
  deadlines.add(50, () => expired.push('early'));
  await clock.advance(60);
  expect(expired).toEqual(['early']);
  await clock.advance(5_000);
  expect(expired).toEqual(['early', 'late']);
});

it('forgets what is cancelled, the same function added twice counting twice', async () => {
  const clock = createManualClock();
  const deadlines = createDeadlines(clock);
  let expired = 0;
  const expire = () => void (expired += 1);
  const cancel = deadlines.add(50, expire);
  deadlines.add(50, expire);
  cancel();
  cancel();
  await clock.advance(100);
  expect(expired).toBe(1);
});

it('holds one timer for a thousand deadlines, and none once closed', async () => {
  const clock = createManualClock();
  const deadlines = createDeadlines(clock);
  for (let index = 0; index < 1_000; index += 1) deadlines.add(1_000 + index, () => expect.unreachable());
  await clock.advance(10);
  expect(clock.sleepers()).toBe(1);
  deadlines.close();
  await clock.advance(10_000);
  expect(clock.sleepers()).toBe(0);
  deadlines.add(1, () => expect.unreachable());
  await clock.advance(10_000);
});

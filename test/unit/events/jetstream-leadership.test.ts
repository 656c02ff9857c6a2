import { expect, test } from 'vitest';
import { LogUnavailable } from '../../../src/events/event-log.ts';
import type { StreamInfo } from '../../../src/events/jetstream-api.ts';
import { createLeadership } from '../../../src/events/jetstream-leadership.ts';
import { silentLogger } from '../../../src/logger.ts';
import type { Logger } from '../../../src/logger.ts';
import { createManualClock } from '../../support/manual-clock.ts';

/** A leader whose replicas were last heard from at these times; undefined: never. */
function leaderHeard(words: (number | undefined)[]) {
  const clock = createManualClock();
  const asked: number[] = [];
  const told: string[] = [];
  const logger: Logger = {
    ...silentLogger,
    warn: (fields) => void told.push(JSON.stringify(fields)),
    info: (_, text) => void told.push(text),
  };
  const stream = { replicas: words.length + 1 };
  const info = async (): Promise<StreamInfo> => {
    asked.push(clock.monotonicMs());
    const replicas = words.map((at, number) => ({ name: `n${number}`, active: at === undefined ? 0 : (clock.monotonicMs() - at) * 1e6 }));
    return { config: { num_replicas: stream.replicas }, cluster: { leader: 'n9', replicas } } as unknown as StreamInfo;
  };
  return { clock, asked, words, stream, told, leadership: createLeadership({ info, replicas: words.length + 1, clock, logger }) };
}

/** Lets time pass until the promise is settled; the time that took, or the error. */
async function timeUntil(clock: ReturnType<typeof createManualClock>, promise: Promise<unknown>): Promise<number | Error> {
  const began = clock.monotonicMs();
  let settled: number | Error | undefined;
  promise.then(
    () => (settled = clock.monotonicMs() - began),
    (error: Error) => (settled = error),
  );
  await clock.advance(0);
  while (settled === undefined) await clock.advance(10);
  return settled;
}

test('a log with one replica needs no proof, but whether it still has one is asked now and then', async () => {
  const { leadership, asked, clock } = leaderHeard([]);
  for (let times = 0; times < 10; times++) expect(await leadership.confirm()).toBe(3_000);
  await clock.advance(3_000);
  expect(await leadership.confirm()).toBe(6_000);
  expect(asked).toEqual([0, 3_000]);
});

test('replicas that are added or taken away while nodes run count from then on', async () => {
  const { leadership, clock, words, stream } = leaderHeard([]);
  await leadership.confirm();
  expect(leadership.replicas).toBe(1);
  stream.replicas = 3;
  words.push(100, undefined);
  await clock.advance(60_000);
  expect(await timeUntil(clock, leadership.confirm()), 'nobody follows it').toBeInstanceOf(LogUnavailable);
  expect(leadership.replicas).toBe(3);
  const heard = timeUntil(clock, leadership.confirm());
  words[0] = clock.monotonicMs() + 200;
  await clock.advance(300);
  expect(await heard).toBeTypeOf('number');
  stream.replicas = 5;
  const lately = clock.monotonicMs() - 10;
  words.splice(0, 2, lately, lately, lately, lately);
  expect(await leadership.confirm()).toBe(lately + 3_000);
});

test('when all were heard lately, nobody is asked again until somebody could stand for election', async () => {
  const { leadership, asked, clock, words } = leaderHeard([0, 0]);
  await clock.advance(1_000);
  words[1] = 900;
  // The oldest word is 1 s old: 4 s after it, less the margin of 1 s.
  await Promise.all(Array.from({ length: 50 }, async () => expect(await leadership.confirm()).toBe(3_000)));
  await clock.advance(1_990);
  expect(await leadership.confirm()).toBe(3_000);
  expect(asked).toEqual([1_000]);
  await clock.advance(20);
  [words[0], words[1]] = [2_950, 2_990];
  expect(await leadership.confirm()).toBe(5_950);
  expect(asked).toHaveLength(2);
});

test('when one is silent, a majority must be heard after the question was asked', async () => {
  const { leadership, clock, words } = leaderHeard([0, 0]);
  await clock.advance(60_000);
  words[1] = 59_900;
  const confirmed = timeUntil(clock, leadership.confirm());
  words[1] = 59_990;
  await clock.advance(300);
  words[1] = 60_300;
  expect(await confirmed).toBeGreaterThanOrEqual(300);
  // The next question needs a new word.
  expect(await timeUntil(clock, leadership.confirm())).toBeInstanceOf(LogUnavailable);
});

test.each([[[undefined, undefined]], [[0, undefined]], [[0, 0]]])('nobody heard lately (%j) is no majority', async (words) => {
  const { leadership, clock } = leaderHeard(words);
  await clock.advance(60_000);
  expect(await timeUntil(clock, leadership.confirm())).toBeInstanceOf(LogUnavailable);
});

test('a replica that is not heard is told once, and once more when it is', async () => {
  const { leadership, clock, words, told } = leaderHeard([0, 0]);
  for (let seconds = 0; seconds < 30; seconds++) {
    await clock.advance(1_000);
    const confirmed = leadership.confirm();
    await clock.advance(100);
    words[0] = clock.monotonicMs() - 10;
    await clock.advance(100);
    await confirmed;
  }
  expect(told).toEqual(['{"servers":["n1"]}']);
  words[1] = clock.monotonicMs() - 10;
  await leadership.confirm();
  expect(told).toHaveLength(2);
});

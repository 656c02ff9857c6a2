import { expect, test } from 'vitest';
import { beginRun, endRun } from '../../../src/actors/runs.ts';
import { takePartInRun } from '../../../src/actors/take-part.ts';
import { AppendOutcomeUnknown, LogUnavailable } from '../../../src/events/event-log.ts';
import type { EventLog } from '../../../src/events/event-log.ts';
import { runsStream, userStreamOf } from '../../../src/events/ids.ts';
import type { RunId } from '../../../src/events/ids.ts';
import { createMemoryLog } from '../../../src/events/memory-log.ts';
import { limits } from '../../../src/limits.ts';
import { silentLogger } from '../../../src/logger.ts';
import { seededRandom } from '../../../src/random.ts';
import { createSimulatedClock } from '../../simulation/simulated-clock.ts';
import { fixedMembership } from '../../support/fixed-membership.ts';
import { ann, annRegistered } from './given.ts';

function setUp() {
  const clock = createSimulatedClock();
  const random = seededRandom(1);
  const log = createMemoryLog({ random });
  const membership = fixedMembership(clock);
  const begin = (label: string, own: EventLog = log) => beginRun({ log: own, clock, random, label, membership });
  const end = (run: RunId, own: EventLog = log) => endRun({ log: own, clock, run, membership });
  const runs = async () => {
    const found = [];
    for await (const batch of log.read(runsStream))
      for (const { time, events } of batch) found.push(...events.map((event) => ({ time, ...event })));
    return found;
  };
  return { clock, random, log, begin, end, runs };
}

test('a run begins and ends', async () => {
  const { clock, begin, end, runs } = setUp();
  const startedAt = clock.now();
  const run = await begin('first');
  await clock.advance(5_000);
  await end(run.id);
  await end(run.id);
  expect(run.begun).toBe(true);
  expect(await runs()).toEqual([
    { type: 'RunStarted', runId: run.id, label: 'first', time: startedAt },
    { type: 'RunEnded', runId: run.id, endedAt: startedAt + 5_000, time: startedAt + 5_000 },
  ]);
});

test('a run that a dead system left open is closed at the last event of the log, in the commit that begins the next', async () => {
  const { clock, log, begin, end, runs } = setUp();
  const dead = await begin('dead');
  await clock.advance(1_000);
  const lastSignOfLife = clock.now();
  await log.append(userStreamOf(ann), 'no-stream', { time: lastSignOfLife, events: [annRegistered] });
  await clock.advance(3_600_000);
  const next = await begin('next');
  expect((await runs()).slice(1)).toEqual([
    { type: 'RunEnded', runId: dead.id, endedAt: lastSignOfLife, time: clock.now() },
    { type: 'RunStarted', runId: next.id, label: 'next', time: clock.now() },
  ]);
  // The dead one comes to and wants to end its run: it has ended.
  await end(dead.id);
  expect(await runs()).toHaveLength(3);
});

test('of several nodes that start at the same moment one begins the run, and the others join it', async () => {
  const { begin, runs } = setUp();
  await begin('dead');
  const begun = await Promise.all(['a', 'b', 'c'].map((label) => begin(label)));
  expect(begun.filter((run) => run.begun)).toHaveLength(1);
  expect(new Set(begun.map((run) => run.id)).size).toBe(1);
  expect((await runs()).map(({ type }) => type)).toEqual(['RunStarted', 'RunEnded', 'RunStarted']);
});

test.each([true, false])('an append without an answer (written: %s) leaves exactly one run', async (written) => {
  const { log, begin, end, runs } = setUp();
  let failures = 1;
  const unsure: EventLog = {
    ...log,
    async append(stream, expected, commit) {
      if (failures-- <= 0) return log.append(stream, expected, commit);
      if (written) await log.append(stream, expected, commit);
      throw new AppendOutcomeUnknown('lost');
    },
  };
  const run = await begin('only', unsure);
  expect(run.begun).toBe(true);
  failures = 1;
  await end(run.id, unsure);
  expect((await runs()).map(({ type }) => type)).toEqual(['RunStarted', 'RunEnded']);
});

test('an append that was lost does not make the run of a dead system the one that is joined', async () => {
  const { log, begin, runs } = setUp();
  const dead = await begin('dead');
  let failures = 1;
  const unsure: EventLog = {
    ...log,
    append: (...given) => (failures-- > 0 ? Promise.reject(new AppendOutcomeUnknown('lost')) : log.append(...given)),
  };
  const next = await begin('next', unsure);
  expect(next.begun).toBe(true);
  expect(await runs()).toMatchObject([{ label: 'dead' }, { type: 'RunEnded', runId: dead.id }, { label: 'next', runId: next.id }]);
});

test('a node begins one run, however long it lives', async () => {
  const { clock, random, log, runs } = setUp();
  const part = await takePartInRun({ log, clock, random, label: 'one', membership: fixedMembership(clock), logger: silentLogger });
  await clock.advance(10 * limits.runRetryMs);
  expect(await runs()).toMatchObject([{ type: 'RunStarted', label: 'one' }]);
  await part.stop();
});

test('a log that is not there is for the caller to handle', async () => {
  const { log, begin } = setUp();
  await log.close();
  await expect(begin('none')).rejects.toThrow(LogUnavailable);
});

test('a node whose log takes nothing starts all the same, and begins its run as soon as it does', async () => {
  const { clock, random, log, runs } = setUp();
  let full = true;
  const own: EventLog = {
    ...log,
    append: (...given) => (full ? Promise.reject(new LogUnavailable('no space left')) : log.append(...given)),
  };
  const ports = { log: own, clock, random, label: 'late', membership: fixedMembership(clock), logger: silentLogger };
  const [part, never] = [await takePartInRun(ports), await takePartInRun(ports)];
  await clock.advance(3 * limits.runRetryMs);
  await never.stop();
  expect(await runs()).toEqual([]);
  full = false;
  await clock.advance(limits.runRetryMs);
  expect(await runs()).toMatchObject([{ type: 'RunStarted', label: 'late' }]);
  await part.stop();
  expect(await runs()).toMatchObject([{ type: 'RunStarted' }, { type: 'RunEnded' }]);
  await expect(takePartInRun({ ...ports, log: { ...log, append: () => Promise.reject(new Error('a bug')) } })).rejects.toThrow('a bug');
});

import { describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import type { Clock } from '../../../src/clock.ts';
import type { LogId } from '../../../src/events/ids.ts';
import type { Position } from '../../../src/events/position.ts';
import { limits } from '../../../src/limits.ts';
import { createCaughtUp } from '../../../src/projections/caught-up.ts';
import { DatabaseUnavailable } from '../../../src/projections/database.ts';
import type { ProjectionName } from '../../../src/projections/read-model.ts';
import { createManualClock } from '../../support/manual-clock.ts';

const at = (commit: number): Position => ({ logId: '00000000-0000-4000-8000-000000000001' as LogId, commit, index: 0 });

const withPolls = (clock: Clock = systemClock) => {
  const stands: Record<ProjectionName, number | 'away'> = { network: 0, statistics: 0 };
  let polls = 0;
  const readModel = {
    position: async (projection: ProjectionName) => {
      polls += 1;
      const where = stands[projection];
      if (where === 'away') throw new DatabaseUnavailable('away');
      return where === 0 ? null : at(where);
    },
  };
  return { stands, polls: () => polls, caughtUp: createCaughtUp({ readModel, clock }) };
};

describe('waiting until projections have caught up', () => {
  it('polls only while somebody waits, one poller for all', async () => {
    const clock = createManualClock();
    const { stands, polls, caughtUp } = withPolls(clock);
    const waits = Promise.all(Array.from({ length: 50 }, () => caughtUp.waitFor(['network'], at(5), 5_000)));
    await clock.advance(10 * limits.caughtUpPollMs);
    expect(polls()).toBeGreaterThanOrEqual(9);
    expect(polls()).toBeLessThanOrEqual(12);
    stands.network = 5;
    await clock.advance(limits.caughtUpPollMs);
    expect(new Set(await waits)).toEqual(new Set([true]));
    const after = polls();
    expect(await caughtUp.waitFor(['network'], at(4), 5_000)).toBe(true);
    await clock.advance(1_000);
    expect(polls()).toBe(after);
    expect(clock.sleepers()).toBe(0);
  });

  it('asks a projection that stands still less and less often', async () => {
    const clock = createManualClock();
    const { stands, polls, caughtUp } = withPolls(clock);
    const wait = caughtUp.waitFor(['network'], at(5), 60_000);
    await clock.advance(2_000);
    const before = polls();
    await clock.advance(10_000);
    expect(polls() - before).toBeLessThanOrEqual(10_000 / limits.caughtUpHintedPollMs + 1);
    stands.network = 4;
    await clock.advance(limits.caughtUpHintedPollMs);
    stands.network = 5;
    await clock.advance(2 * limits.caughtUpPollMs);
    expect(await Promise.race([wait, Promise.resolve('still waiting')])).toBe(true);
    caughtUp.close();
  });

  it('answers at once by a hint, and waits for all projections that it was asked for', async () => {
    const { caughtUp } = withPolls();
    let answered = false;
    const wait = caughtUp.waitFor(['network', 'statistics'], at(3), 5_000).then((reached) => {
      answered = true;
      return reached;
    });
    caughtUp.advanced('network', at(9));
    await Promise.resolve();
    expect(answered).toBe(false);
    caughtUp.advanced('statistics', at(3));
    expect(await wait).toBe(true);
    caughtUp.close();
  });

  it('answers false after the time-out, also while the database is away, and when it is closed', async () => {
    const { stands, caughtUp } = withPolls();
    expect(await caughtUp.waitFor(['network'], at(1), 20)).toBe(false);
    stands.network = 'away';
    expect(await caughtUp.waitFor(['network'], at(1), 20)).toBe(false);
    const waiting = caughtUp.waitFor(['network'], at(1), 60_000);
    caughtUp.close();
    expect(await waiting).toBe(false);
    expect(await caughtUp.waitFor(['network'], at(1), 60_000)).toBe(false);
  });

  it('takes back what a projection lost when its database crashed', async () => {
    const { caughtUp } = withPolls();
    caughtUp.advanced('network', at(9));
    caughtUp.advanced('network', at(7));
    expect(await caughtUp.waitFor(['network'], at(8), 10)).toBe(false);
    caughtUp.close();
  });

  it('believes nothing that it was told before its database was lost, and asks when it is back', async () => {
    const { stands, polls, caughtUp } = withPolls();
    caughtUp.advanced('network', at(9));
    caughtUp.databaseLost();
    caughtUp.databaseBack();
    stands.network = 7;
    expect(await caughtUp.waitFor(['network'], at(8), 100)).toBe(false);
    expect(polls()).toBeGreaterThan(0);
    expect(await caughtUp.waitFor(['network'], at(7), 0)).toBe(true);
    caughtUp.close();
  });

  it('believes nothing that it reads or is told while its database is lost: what is left of the old one may still answer', async () => {
    const clock = createManualClock();
    const { stands, caughtUp } = withPolls(clock);
    caughtUp.databaseLost();
    stands.network = 9;
    const wait = caughtUp.waitFor(['network'], at(8), 60_000);
    caughtUp.advanced('network', at(9));
    await clock.advance(1_000);
    expect(await Promise.race([wait, Promise.resolve('still waiting')])).toBe('still waiting');
    caughtUp.databaseBack();
    await clock.advance(limits.caughtUpHintedPollMs);
    expect(await Promise.race([wait, Promise.resolve('still waiting')])).toBe(true);
    caughtUp.close();
  });

  it('believes no answer that was on its way when its database was lost, also if it comes when it is back', async () => {
    const clock = createManualClock();
    let answer: (position: Position) => void = () => undefined;
    const readModel = { position: () => new Promise<Position>((resolve) => (answer = resolve)) };
    const caughtUp = createCaughtUp({ readModel, clock });
    const wait = caughtUp.waitFor(['network'], at(8), 60_000);
    await clock.advance(0);
    caughtUp.databaseLost();
    caughtUp.databaseBack();
    answer(at(9));
    await clock.advance(0);
    expect(await Promise.race([wait, Promise.resolve('still waiting')])).toBe('still waiting');
    await clock.advance(limits.caughtUpHintedPollMs);
    answer(at(9));
    await clock.advance(0);
    expect(await Promise.race([wait, Promise.resolve('still waiting')])).toBe(true);
    caughtUp.close();
  });
});

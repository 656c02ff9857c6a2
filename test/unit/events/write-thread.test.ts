import { expect, it } from 'vitest';
import { createWriteThread } from '../../../src/events/write-thread.ts';
import { limits } from '../../../src/limits.ts';
import { createManualClock } from '../../support/manual-clock.ts';

const { mainThreadCommitsMin: enough, mainThreadWriteMsMax: msMax, mainThreadWriteRestMs: restMs } = limits;

function startWriting() {
  const clock = createManualClock();
  const thread = createWriteThread(clock);
  /** How many of so many groups in a row the main thread writes, when each takes it so long. */
  const written = (groups: number, ms: number): number => {
    let count = 0;
    for (let group = 0; group < groups; group += 1) {
      if (!thread.isMain(enough)) continue;
      count += 1;
      thread.took(ms);
    }
    return count;
  };
  return { clock, thread, written };
}

it('the main thread writes large groups alone', () => {
  const { thread } = startWriting();
  expect(thread.isMain(enough - 1)).toBe(false);
  expect(thread.isMain(enough)).toBe(true);
});

it('the main thread goes on writing on a disk that is fast', () => {
  const { written } = startWriting();
  expect(written(10_000, msMax * 0.9)).toBe(10_000);
});

it('one long wait on a fast disk changes nothing', () => {
  const { written } = startWriting();
  written(100, msMax / 4);
  written(1, msMax * 20);
  expect(written(100, msMax / 4)).toBe(100);
});

it('a slow disk is noticed after some groups, and looked at again after a rest', async () => {
  const { clock, thread, written } = startWriting();
  const slow = written(1_000, msMax * 3);
  expect(slow).toBeGreaterThan(1);
  expect(slow).toBeLessThan(20);
  await clock.advance(restMs - 1);
  expect(thread.isMain(enough)).toBe(false);
  await clock.advance(1);
  expect(written(1_000, msMax / 2)).toBe(1_000);
});

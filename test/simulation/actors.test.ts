import { afterEach, expect, test, vi } from 'vitest';
import { Actor } from '../../src/actors/runtime/actor.ts';
import type { LogMutant } from './faulty-log.ts';
import { allPass, firstFailure, fixedSeeds, isOneSeed, newSeeds } from './seeds.ts';
import { simulate } from './world.ts';

// One seed, the whole behaviour; see seeds.ts for how to run one alone, or thousands.
const seeds = newSeeds(400);

afterEach(() => {
  vi.restoreAllMocks();
});

test(
  `whatever goes wrong, acknowledged commands have exactly one effect, and every command is answered once the faults end: seeds from ${seeds[0]}`,
  { timeout: 120_000 + 1_000 * seeds.length },
  async () => {
    await allPass('test/simulation/actors.test.ts', seeds, (seed) => simulate(seed));
  },
);

test('a seed reproduces its run', async () => {
  expect(await simulate(seeds[0]!)).toEqual(await simulate(seeds[0]!));
});

// A simulation that notices nothing proves nothing: each of these breaks one rule.
test
  .skipIf(isOneSeed)
  .each<LogMutant>([
    'skips-the-version-check',
    'forgets-commands',
    'skips-the-head-check',
    'takes-the-past-for-the-present',
    'answers-before-it-is-written',
  ])('is noticed: a system that %s', async (mutant) => {
  expect(await firstFailure(fixedSeeds(400), (seed) => simulate(seed, mutant))).toBeDefined();
});

test.skipIf(isOneSeed)('is noticed: an actor that runs on when it is unsure', async () => {
  vi.spyOn(Actor.prototype, 'forget').mockImplementation(() => {});
  const failure = await firstFailure(fixedSeeds(400), (seed) => simulate(seed));
  expect(String(failure?.error)).toMatch(/without faults/);
});

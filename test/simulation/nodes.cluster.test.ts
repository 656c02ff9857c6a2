import { afterEach, expect, test, vi } from 'vitest';
import { Actor } from '../../src/actors/runtime/actor.ts';
import { simulateCluster } from './cluster-world.ts';
import type { Mutant } from './cluster-world.ts';
import { allPass, firstFailure, fixedSeeds, isOneSeed, newSeeds } from './seeds.ts';

// Whole nodes, one seed for the whole behaviour; see seeds.ts for how to run one alone, or thousands.
const seeds = newSeeds(200);

afterEach(() => {
  vi.restoreAllMocks();
});

test(
  `whatever happens to nodes, lines and clocks, acknowledged commands have exactly one effect, the nodes agree again, and one that dies is replaced: seeds from ${seeds[0]}`,
  { timeout: 120_000 + 1_000 * seeds.length },
  async () => {
    await allPass('test/simulation/nodes.cluster.test.ts', seeds, (seed) => simulateCluster(seed));
  },
);

test('a seed reproduces its run', async () => {
  expect(await simulateCluster(seeds[0]!)).toEqual(await simulateCluster(seeds[0]!));
});

// A simulation that notices nothing proves nothing: each of these breaks one rule.
test
  .skipIf(isOneSeed)
  .each<Mutant>([
    'skips-the-version-check',
    'forgets-commands',
    'skips-the-head-check',
    'deadlines-of-the-sender',
    'answers-before-it-is-written',
  ])('is noticed: a cluster that %s', async (mutant) => {
  expect(await firstFailure(fixedSeeds(300), (seed) => simulateCluster(seed, mutant))).toBeDefined();
});

test.skipIf(isOneSeed)('is noticed: an actor that runs on when it is unsure', async () => {
  vi.spyOn(Actor.prototype, 'forget').mockImplementation(() => {});
  const failure = await firstFailure(fixedSeeds(300), (seed) => simulateCluster(seed));
  expect(String(failure?.error)).toMatch(/without faults/);
});

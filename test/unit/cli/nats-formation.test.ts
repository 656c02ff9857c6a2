import { expect, test } from 'vitest';
import { formationOf, keepTogether } from '../../../src/cli/cluster/nats-servers.ts';
import type { Formation } from '../../../src/cli/cluster/nats-servers.ts';
import { limits } from '../../../src/limits.ts';
import { createSimulatedClock } from '../../simulation/simulated-clock.ts';

const second = 1e9;
const follows = { leader: 'a' };
/** What the leader of three says of the two others: nanoseconds since their last words. */
const leads = (b: number, c: number) => ({
  leader: 'a',
  replicas: [
    { name: 'b', active: b },
    { name: 'c', active: c },
  ],
});
const three = (a: object | undefined, b: object | undefined, c: object | undefined) => [
  { name: 'a', meta: a },
  { name: 'b', meta: b },
  { name: 'c', meta: c },
];

test('servers that the leader hears are one cluster, also while one of them is away', () => {
  expect(formationOf(three(leads(second, second), follows, follows))).toBe('whole');
  expect(formationOf(three(leads(second, 90 * second), follows, undefined))).toBe('whole');
});

test('one that runs, and is not known or not heard, is left out', () => {
  expect(formationOf(three({ leader: 'a', replicas: [{ name: 'b', active: second }] }, follows, {}))).toEqual({ leftOut: 'c' });
  expect(formationOf(three(leads(second, 44 * second), follows, follows))).toEqual({ leftOut: 'c' });
});

test('nobody is left out while nobody leads', () => {
  expect(formationOf(three({}, {}, undefined))).toBe('forming');
  expect(formationOf(three(undefined, follows, follows))).toBe('forming');
  expect(formationOf(three({}, {}, {}))).toBe('leaderless');
});

test('where all are there and nobody leads for long, all are started again', async () => {
  const { clock, ending, restarted, find } = keptTogether();
  find('leaderless');
  await clock.advance((limits.clusterLeaderlessPolls - 1) * limits.clusterFormationPollMs);
  find('forming');
  await clock.advance(limits.clusterFormationPollMs);
  find('leaderless');
  await clock.advance((limits.clusterLeaderlessPolls - 1) * limits.clusterFormationPollMs);
  expect(restarted).toEqual([]);
  await clock.advance(limits.clusterFormationPollMs);
  expect(restarted).toEqual(['a', 'b', 'c']);
  // They get as long again.
  await clock.advance((limits.clusterLeaderlessPolls - 1) * limits.clusterFormationPollMs);
  find('whole');
  await clock.advance(10 * limits.clusterLeaderlessPolls * limits.clusterFormationPollMs);
  expect(restarted).toEqual(['a', 'b', 'c']);
  ending.abort();
});

test('who is left out twice in a row is started again, whenever that comes', async () => {
  const { clock, ending, restarted, find } = keptTogether();
  await clock.advance(100 * limits.clusterFormationPollMs);
  find({ leftOut: 'c' });
  await clock.advance(limits.clusterFormationPollMs);
  find('forming');
  await clock.advance(limits.clusterFormationPollMs);
  expect(restarted).toEqual([]);
  find({ leftOut: 'c' });
  await clock.advance(2 * limits.clusterFormationPollMs);
  expect(restarted).toEqual(['c']);
  find('whole');
  await clock.advance(10 * limits.clusterFormationPollMs);
  expect(restarted).toEqual(['c']);
  ending.abort();
});

/** Servers that are looked after, of which `find` says how they are. */
function keptTogether() {
  const clock = createSimulatedClock();
  const ending = new AbortController();
  let found: Formation = 'whole';
  const restarted: string[] = [];
  const programs = ['a', 'b', 'c'].map((name) => ({ name }));
  void keepTogether({ formation: async () => found, programs }, { restart: (name) => void restarted.push(name) }, clock, ending.signal);
  const find = (formation: Formation): void => void (found = formation);
  return { clock, ending, restarted, find };
}

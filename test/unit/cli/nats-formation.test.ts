import { expect, test } from 'vitest';
import { formationOf, keepTogether } from '../../../src/cli/cluster/nats-servers.ts';
import type { NatsServers } from '../../../src/cli/cluster/nats-servers.ts';
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
});

test('who is left out twice in a row is started again, whenever that comes', async () => {
  const clock = createSimulatedClock();
  const ending = new AbortController();
  let found: Awaited<ReturnType<NatsServers['formation']>> = 'whole';
  const restarted: string[] = [];
  void keepTogether({ formation: async () => found }, { restart: (name) => void restarted.push(name) }, clock, ending.signal);
  await clock.advance(100 * limits.clusterFormationPollMs);
  found = { leftOut: 'c' };
  await clock.advance(limits.clusterFormationPollMs);
  found = 'forming';
  await clock.advance(limits.clusterFormationPollMs);
  expect(restarted).toEqual([]);
  found = { leftOut: 'c' };
  await clock.advance(2 * limits.clusterFormationPollMs);
  expect(restarted).toEqual(['c']);
  found = 'whole';
  await clock.advance(10 * limits.clusterFormationPollMs);
  expect(restarted).toEqual(['c']);
  ending.abort();
});

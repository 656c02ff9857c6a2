import { describe, expect, onTestFinished, test } from 'vitest';
import { heartbeatMessage } from '../../../src/actors/runtime/heartbeat.ts';
import type { Generations, Heartbeat } from '../../../src/actors/runtime/heartbeat.ts';
import { assertNotOutdated, NodeOutdated } from '../../../src/actors/runtime/outdated.ts';
import { startMembership } from '../../../src/actors/runtime/membership.ts';
import type { Clock } from '../../../src/clock.ts';
import { limits } from '../../../src/limits.ts';
import { createMetrics } from '../../../src/metrics.ts';
import { silentLogger } from '../../../src/logger.ts';
import { createLocalTransport } from '../../../src/transport/local-transport.ts';
import { membersSubject, shardCount } from '../../../src/transport/subjects.ts';
import type { Message, Transport } from '../../../src/transport/transport.ts';
import { createSimulatedClock } from '../../simulation/simulated-clock.ts';

const soon = 50;
const allShards = Array.from({ length: shardCount }, (_, shard) => shard);

/** Nodes in one process, each with its own clock, that can be cut off, in one direction or both. */
function createCluster() {
  const clock = createSimulatedClock();
  const transport = createLocalTransport({ clock });
  onTestFinished(() => transport.close());

  async function join(id: string, options: { roles?: string[]; understands?: Generations; skewMs?: number; serves?: boolean } = {}) {
    const cut = { speaks: true, hears: true };
    const connection = { losses: 0 };
    const skewMs = options.skewMs ?? 0;
    const nodeClock: Clock = { ...clock, now: () => clock.now() + skewMs, monotonicMs: () => clock.monotonicMs() + 3 * skewMs };
    const way: Transport = {
      ...transport,
      losses: () => connection.losses,
      publish: (subject, message) => void (cut.speaks && transport.publish(subject, message)),
      subscribe: (subject, handler) => transport.subscribe(subject, (message, on) => void (cut.hears && handler(message, on))),
    };
    const metrics = createMetrics();
    const load = { activeActors: 0, commandsAnswered: 0 };
    const membership = await startMembership({
      transport: way,
      space: 's',
      node: { id, roles: options.roles ?? ['actors'], startedAt: 7 },
      understands: options.understands ?? { events: 1, messages: 1 },
      clock: nodeClock,
      logger: silentLogger,
      metrics,
      describe: () => load,
    });
    onTestFinished(() => membership.stop());
    if (options.serves ?? true) membership.serve();
    return { membership, cut, connection, load, metrics, clock: nodeClock };
  }

  const say = (body: Partial<Heartbeat> & { id: string }, message?: Partial<Message>) =>
    transport.publish(membersSubject('s'), {
      ...heartbeatMessage({
        roles: ['actors'],
        startedAt: 1,
        seq: 1,
        phase: 'serving',
        deaf: false,
        losses: 0,
        clocks: { monotonicMs: 0, wallMs: 0 },
        understands: { events: 1, messages: 1 },
        run: null,
        activeActors: 0,
        commandsPerSecond: 0,
        ...body,
      }),
      ...message,
    });
  return { clock, transport, join, say };
}

type Node = Awaited<ReturnType<ReturnType<typeof createCluster>['join']>>;
const ownersSeenBy = ({ membership }: Node) => new Set(allShards.map((shard) => membership.ownerOf(shard)?.id));
const sharesOf = (...nodes: Node[]) => nodes.map(({ membership }) => allShards.filter((shard) => membership.owns(shard)).length);
const namesSeenBy = ({ membership }: Node) =>
  membership
    .members()
    .map(({ id }) => id)
    .toSorted();

describe('who is there', () => {
  test('a newcomer is known, and knows everybody, within a moment', async () => {
    const { clock, join } = createCluster();
    const first = await join('a');
    const second = await join('b');
    await clock.advance(100);
    const gateway = await join('g', { roles: ['gateway'] });
    await clock.advance(soon);
    for (const node of [first, second, gateway]) expect(namesSeenBy(node)).toEqual(['a', 'b', 'g']);
    expect(ownersSeenBy(gateway)).toEqual(new Set(['a', 'b']));
    expect(sharesOf(first, second, gateway).reduce((sum, share) => sum + share)).toBe(shardCount);
    expect(gateway.membership.owns(0)).toBe(false);
  });

  test('a node gets no shard before it serves', async () => {
    const { clock, join } = createCluster();
    const first = await join('a');
    const second = await join('b', { serves: false });
    await clock.advance(soon);
    expect(ownersSeenBy(first)).toEqual(new Set(['a']));
    second.membership.serve();
    await clock.advance(soon);
    expect(ownersSeenBy(first)).toEqual(new Set(['a', 'b']));
  });

  test('who says that it leaves owns nothing from then on, and is forgotten with its goodbye', async () => {
    const { clock, join } = createCluster();
    const first = await join('a');
    const second = await join('b');
    await clock.advance(soon);
    second.membership.leave();
    second.membership.serve();
    await clock.advance(soon);
    expect(sharesOf(first, second)).toEqual([shardCount, 0]);
    expect(first.membership.members()).toMatchObject([{ id: 'a' }, { id: 'b', phase: 'leaving', shards: [] }]);
    await second.membership.stop();
    await clock.advance(soon);
    expect(namesSeenBy(first)).toEqual(['a']);
  });

  test('silence means dead, within two seconds and not before some heartbeats are missing', async () => {
    const { clock, join } = createCluster();
    const first = await join('a');
    const second = await join('b');
    await clock.advance(10_000);
    second.cut.speaks = false;
    await clock.advance(2 * limits.heartbeatMs);
    expect(namesSeenBy(first)).toEqual(['a', 'b']);
    await clock.advance(2_000 - 2 * limits.heartbeatMs);
    expect(namesSeenBy(first)).toEqual(['a']);
    expect(first.membership.isAnswering('b')).toBe(false);
    expect(sharesOf(first)).toEqual([shardCount]);
    second.cut.speaks = true;
    await clock.advance(limits.heartbeatMs + soon);
    expect(ownersSeenBy(first)).toEqual(new Set(['a', 'b']));
  });

  test('clocks of nodes may be minutes apart', async () => {
    const { clock, join } = createCluster();
    const nodes = [await join('a'), await join('b', { skewMs: 300_000 }), await join('c', { skewMs: -300_000 })];
    await clock.advance(60_000);
    for (const node of nodes) {
      expect(namesSeenBy(node)).toEqual(['a', 'b', 'c']);
      const seen = node.membership.members().map(({ lastSeenAt }) => node.clock.now() - lastSeenAt);
      expect(Math.max(...seen)).toBeLessThanOrEqual(limits.heartbeatMs);
    }
  });

  test('whoever listens is told of each change, and of nothing else', async () => {
    const { clock, join } = createCluster();
    const first = await join('a');
    await clock.advance(soon);
    let changes = 0;
    const stop = first.membership.onChange(() => changes++);
    const next = first.membership.nextChange();
    await clock.advance(10_000);
    expect(changes).toBe(0);
    expect(next.aborted).toBe(false);
    const second = await join('b', { serves: false });
    await clock.advance(10_000);
    expect(changes).toBe(1);
    expect(next.aborted).toBe(true);
    stop();
    second.membership.serve();
    await clock.advance(soon);
    expect(changes).toBe(1);
  });
});

describe('a node that has lost its connection', () => {
  test('says so with its next heartbeat, which counts as a change: what it was asked before is lost', async () => {
    const { clock, join } = createCluster();
    const first = await join('a');
    const second = await join('b');
    await clock.advance(5_000);
    let changes = 0;
    first.membership.onChange(() => changes++);
    second.connection.losses = 1;
    await clock.advance(limits.heartbeatMs + soon);
    expect(changes).toBe(1);
    expect(first.membership.lossesOf('b')).toBe(1);
    // Whoever asks itself hears of it from its transport, and nothing that it asks later is lost with it.
    expect(second.membership.lossesOf('b')).toBe(0);
    expect(first.membership.isAnswering('b')).toBe(true);
  });

  test('cannot say so if it is of an older version', async () => {
    const { clock, join, say } = createCluster();
    const first = await join('a');
    say({ id: 'old', losses: undefined! });
    await clock.advance(soon);
    expect(namesSeenBy(first)).toEqual(['a', 'old']);
    expect(first.membership.lossesOf('old')).toBe(0);
  });
});

describe('a node that does not hear itself', () => {
  test.each([
    ['neither hears nor speaks', { speaks: false, hears: false }],
    ['does not hear', { speaks: true, hears: false }],
    ['is not heard', { speaks: false, hears: true }],
  ])('owns nothing, holds nobody dead, and comes back by itself: one that %s', async (_what, cut) => {
    const { clock, join } = createCluster();
    const first = await join('a');
    const second = await join('b');
    await clock.advance(5_000);
    Object.assign(second.cut, cut);
    await clock.advance(5_000);
    expect(sharesOf(first, second)).toEqual([shardCount, 0]);
    expect(namesSeenBy(second)).toEqual(['a', 'b']);
    Object.assign(second.cut, { speaks: true, hears: true });
    await clock.advance(limits.heartbeatMs + soon);
    expect(ownersSeenBy(first)).toEqual(new Set(['a', 'b']));
    expect(ownersSeenBy(second)).toEqual(new Set(['a', 'b']));
    expect(sharesOf(first, second).every((share) => share > 0)).toBe(true);
  });

  test('is recognised without waiting for a timer, as after a stop of the whole process', async () => {
    const { clock, join } = createCluster();
    let late = 0;
    const node = await join('a');
    await clock.advance(soon);
    expect(node.membership.owns(1)).toBe(true);
    const real = node.clock.monotonicMs;
    Object.assign(node.clock, { monotonicMs: () => real() + late });
    late = limits.memberSilentMs + limits.heartbeatMs;
    expect(node.membership.owns(1)).toBe(false);
  });
});

describe('what every node understands', () => {
  test('is what the oldest does, and nothing but the oldest until everybody can have been heard', async () => {
    const { clock, join } = createCluster();
    const first = await join('a', { understands: { events: 3, messages: 2 } });
    expect(first.membership.understood()).toEqual({ events: 1, messages: 1 });
    await clock.advance(2_000);
    expect(first.membership.understood()).toEqual({ events: 3, messages: 2 });
    const old = await join('g', { roles: ['gateway'], understands: { events: 2, messages: 1 } });
    await clock.advance(soon);
    expect(first.membership.understood()).toEqual({ events: 2, messages: 1 });
    await old.membership.stop();
    await clock.advance(soon);
    expect(first.membership.understood()).toEqual({ events: 3, messages: 2 });
    first.cut.hears = false;
    await clock.advance(5_000);
    expect(first.membership.understood()).toEqual({ events: 1, messages: 1 });
  });
});

describe('what a node hears', () => {
  test('is counted and left alone when it is no heartbeat', async () => {
    const { clock, join, say } = createCluster();
    const node = await join('a');
    say({ id: 'b' }, { type: 'Drum' });
    say({ id: 'b' }, { format: 2 });
    say({ id: 'b' }, { body: null });
    say({ id: 'not a token' });
    say({ id: 'b', clocks: 'now' as never });
    for (const none of [0, -1, 1.5]) {
      say({ id: 'b', understands: { events: 1, messages: none } });
      say({ id: 'b', understands: { events: none, messages: 1 } });
    }
    const numbers = ['startedAt', 'seq', 'losses', 'activeActors', 'commandsPerSecond'];
    const others = ['roles', 'phase', 'deaf', 'run', 'understands'];
    for (const field of [...numbers, ...others]) say({ id: 'b', [field]: { none: true } });
    for (const clocks of [{ monotonicMs: 1 }, { wallMs: 1 }]) say({ id: 'b', clocks: clocks as never });
    await clock.advance(soon);
    expect(namesSeenBy(node)).toEqual(['a']);
    expect((await node.metrics.malformedMessages.get()).values[0]?.value).toBe(23);
  });

  test('may hold more than this version knows: newer nodes add fields', async () => {
    const { clock, join, say } = createCluster();
    const node = await join('a');
    say({ id: 'b', mood: 'fine' } as never);
    await clock.advance(soon);
    expect(namesSeenBy(node)).toEqual(['a', 'b']);
  });

  test('late, does not bring back what was', async () => {
    const { clock, join, say } = createCluster();
    const node = await join('a');
    say({ id: 'b', seq: 2, phase: 'leaving' });
    say({ id: 'b', seq: 1, phase: 'serving' });
    await clock.advance(soon);
    expect(ownersSeenBy(node)).toEqual(new Set(['a']));
  });

  test('of more nodes than there may be is ignored', async () => {
    const { clock, join, say } = createCluster();
    const node = await join('a');
    for (let n = 0; n < limits.membersMax + 5; n++) say({ id: `n${n}` });
    await clock.advance(soon);
    expect(node.membership.members()).toHaveLength(limits.membersMax);
  });
});

test('nodes tell what they do: actors, and commands a second since the last heartbeat', async () => {
  const { clock, join } = createCluster();
  const first = await join('a');
  const second = await join('b');
  await clock.advance(10 * limits.heartbeatMs);
  Object.assign(second.load, { activeActors: 5, commandsAnswered: 1_000 });
  await clock.advance(limits.heartbeatMs);
  const seen = first.membership.members().find(({ id }) => id === 'b');
  expect(seen).toMatchObject({ activeActors: 5, roles: ['actors'], startedAt: 7 });
  expect(seen!.commandsPerSecond).toBeCloseTo(1_000 / (limits.heartbeatMs / 1_000), -2);
  await clock.advance(2 * limits.heartbeatMs);
  expect(first.membership.members().find(({ id }) => id === 'b')).toMatchObject({ commandsPerSecond: 0 });
});

test('a node of an older version stays out of a cluster whose nodes may all have written what it cannot read', async () => {
  const cluster = createCluster();
  const old = { events: 1, messages: 1 };
  const { membership } = await cluster.join('a', { understands: old });
  expect(() => assertNotOutdated(membership, old), 'it is alone').not.toThrow();
  await cluster.join('job', { roles: [], understands: { events: 2, messages: 2 } });
  await cluster.clock.advance(soon);
  expect(() => assertNotOutdated(membership, old), 'a job writes nothing').not.toThrow();
  const b = await cluster.join('b', { understands: { events: 2, messages: 2 } });
  await cluster.clock.advance(soon);
  expect(() => assertNotOutdated(membership, old)).toThrow(NodeOutdated);
  expect(() => assertNotOutdated(b.membership, { events: 2, messages: 2 })).not.toThrow();
  const c = await cluster.join('c', { understands: old, serves: false });
  await cluster.clock.advance(soon);
  expect(() => assertNotOutdated(membership, old), 'one that is as old is only just trying to join').toThrow(NodeOutdated);
  c.membership.serve();
  await cluster.clock.advance(soon);
  expect(() => assertNotOutdated(membership, old), 'one is as old').not.toThrow();
});

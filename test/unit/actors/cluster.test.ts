import { describe, expect, onTestFinished, test } from 'vitest';
import type { Answer, Command } from '../../../src/actors/commands.ts';
import { beginRun, endRun } from '../../../src/actors/runs.ts';
import { startActorHost } from '../../../src/actors/runtime/host.ts';
import type { ActorHost } from '../../../src/actors/runtime/host.ts';
import { startMembership } from '../../../src/actors/runtime/membership.ts';
import { createMemorySnapshots } from '../../../src/actors/runtime/snapshots.ts';
import { createCommandClient } from '../../../src/actors/transport-command-client.ts';
import type { Clock } from '../../../src/clock.ts';
import type { EventLog } from '../../../src/events/event-log.ts';
import { newPostId, parseHandle, runsStream, userIdOf, userStreamOf } from '../../../src/events/ids.ts';
import type { CommandId } from '../../../src/events/ids.ts';
import { createMemoryLog } from '../../../src/events/memory-log.ts';
import { silentLogger } from '../../../src/logger.ts';
import { createMetrics } from '../../../src/metrics.ts';
import { seededRandom } from '../../../src/random.ts';
import { createLocalTransport } from '../../../src/transport/local-transport.ts';
import { commandSubject, shardCount, shardOf } from '../../../src/transport/subjects.ts';
import { RequestTimeout } from '../../../src/transport/transport.ts';
import type { Transport } from '../../../src/transport/transport.ts';
import { createSimulatedClock } from '../../simulation/simulated-clock.ts';
import { createGate } from './actor-node.ts';
import { bob } from './given.ts';

const soon = 50;

/** Whole nodes in one process, whose clocks are wrong by as much as each test likes. */
function createCluster() {
  const world = createSimulatedClock();
  const random = seededRandom(1);
  const transport = createLocalTransport({ clock: world });
  onTestFinished(() => transport.close());
  const log = createMemoryLog({ random });

  async function join(
    id: string,
    { skewMs = 0, ...bent }: { skewMs?: number; log?: EventLog; transport?: Transport; roles?: string[]; leaveMs?: number } = {},
  ) {
    const clock: Clock = { ...world, now: () => world.now() + skewMs, monotonicMs: () => world.monotonicMs() - 7 * skewMs };
    const metrics = createMetrics();
    const ports = { log, transport, space: 's', clock, random, logger: silentLogger, metrics, ...bent };
    const roles = bent.roles ?? ['actors'];
    let host: ActorHost | undefined;
    const membership = await startMembership({
      ...ports,
      node: { id, roles, startedAt: clock.now() },
      understands: { events: 1, messages: 1 },
      describe: () => host ?? { activeActors: 0, commandsAnswered: 0 },
    });
    const shared = { ...ports, membership };
    const limits = bent.leaveMs === undefined ? {} : { leaveMs: bent.leaveMs };
    if (roles.includes('actors')) host = await startActorHost({ ...shared, limits, snapshots: createMemorySnapshots() });
    const stop = async () => {
      await host?.stop();
      await membership.stop();
    };
    onTestFinished(stop);
    return { id, shared, membership, host: host!, metrics, stop, commands: createCommandClient(shared) };
  }

  const userOf = (name: string) => userIdOf(parseHandle(name)!, log.namespace);
  const register = (name: string): Command => ({ type: 'RegisterUser', handle: parseHandle(name)!, name, passwordHash: '$' });
  const events = async (name: string) => {
    const types: string[] = [];
    for await (const batch of log.read(userStreamOf(userOf(name))))
      types.push(...batch.flatMap((commit) => commit.events.map((e) => e.type)));
    return types;
  };
  return { world, random, transport, log, join, userOf, register, events };
}

/** Time goes on until it is settled. */
async function passed<T>(world: { runUntil(done: () => boolean, ms: number): Promise<boolean> }, work: Promise<T>): Promise<T> {
  let settled = false;
  void work.finally(() => (settled = true)).catch(() => {});
  expect(await world.runUntil(() => settled, 60_000)).toBe(true);
  return work;
}

describe('when shards move', () => {
  test('a joining node takes its share: the old owner refuses it, finishes what it has begun, and puts the actors away', async () => {
    const gate = createGate();
    const { world, log, join, userOf, register, events } = createCluster();
    const held: EventLog = {
      ...log,
      async append(stream, expected, commit) {
        if (commit.events[0].type === 'UserFollowed') await gate.opened;
        return log.append(stream, expected, commit);
      },
    };
    const first = await join('a', { log: held });
    await world.advance(soon);
    const names = Array.from({ length: 40 }, (_, n) => `u${n}`);
    for (const name of names) await passed(world, first.commands.send(userOf(name), register(name)));
    const followed = names.map((name) => first.commands.send(userOf(name), { type: 'FollowUser', followeeId: bob }));
    await world.advance(soon);
    const second = await join('b');
    await world.advance(soon);
    const moved = names.filter((name) => second.membership.owns(shardOf(userOf(name))));
    expect(moved.length).toBeGreaterThan(5);
    expect(first.host.activeActors).toBe(names.length);
    gate.open();
    const answers = await passed(world, Promise.all(followed));
    expect(answers.every(({ answer }) => answer.outcome === 'accepted')).toBe(true);
    expect(first.host.activeActors).toBe(names.length - moved.length);
    await passed(world, first.commands.send(userOf(moved[0]!), { type: 'UnfollowUser', followeeId: bob }));
    expect([first.host.activeActors, second.host.activeActors]).toEqual([names.length - moved.length, 1]);
    expect(await events(moved[0]!)).toEqual(['UserRegistered', 'UserFollowed', 'UserUnfollowed']);
  });

  test('a node refuses what is placed elsewhere, without looking at it', async () => {
    const { world, transport, join } = createCluster();
    const nodes = [await join('a'), await join('b')];
    await world.advance(soon);
    for (const { id, membership, metrics } of nodes) {
      const shard = Array.from({ length: shardCount }, (_, each) => each).find((each) => !membership.owns(each))!;
      const asked = transport.request(commandSubject('s', id, shard), { type: 'Wish', format: 9, body: null }, { timeoutMs: 1_000 });
      expect(await passed(world, asked)).toEqual({ type: 'Refusal', format: 1, body: { refusal: 'placed-elsewhere' } });
      expect((await metrics.commands.get()).values).toMatchObject([{ value: 1, labels: { outcome: 'placed-elsewhere' } }]);
    }
  });

  test('idle actors of shards that moved are put away too', async () => {
    const { world, join, userOf, register } = createCluster();
    const first = await join('a');
    const names = Array.from({ length: 1_200 }, (_, n) => `u${n}`);
    await passed(world, Promise.all(names.map((name) => first.commands.send(userOf(name), register(name)))));
    expect(first.host.activeActors).toBe(names.length);
    await join('b');
    await world.advance(soon);
    expect(first.host.activeActors).toBe(names.filter((name) => first.membership.owns(shardOf(userOf(name)))).length);
  });

  test('a node that leaves waits for a log that hangs only so long', async () => {
    const { world, log, join, userOf, register } = createCluster();
    const first = await join('a', { log: { ...log, append: () => new Promise(() => {}) }, leaveMs: 3_000 });
    void first.commands.send(userOf('ann'), register('ann'));
    await world.advance(soon);
    const begunAt = world.now();
    await passed(world, first.host.stop());
    expect(world.now() - begunAt).toBe(3_000);
  });
});

describe('a command', () => {
  test('waits for a node to serve it, and not longer than its deadline', async () => {
    const { world, join, userOf, register } = createCluster();
    const gateway = await join('g', { roles: ['gateway'] });
    const patient = gateway.commands.send(userOf('ann'), register('ann'));
    const hasty = gateway.commands.send(userOf('ben'), register('ben'), { deadlineMs: 2_000 });
    await world.advance(3_000);
    const begunAt = world.now();
    await join('a');
    expect((await passed(world, patient)).answer).toMatchObject({ outcome: 'accepted' });
    expect(world.now() - begunAt).toBeLessThan(soon);
    expect((await hasty).answer).toEqual({ outcome: 'unavailable', reason: 'stopping' });
  });

  test.each([0, 300_000, -300_000])(
    'that was lost on the way cannot be carried out after it was refused, whatever the clocks show: those of its node are %i ms ahead',
    async (skewMs) => {
      const { world, random, transport, join, userOf, register, events } = createCluster();
      await join('a', { skewMs });
      let late = 0;
      const slow: Transport = {
        ...transport,
        async request(subject, message, options) {
          const isFirst = JSON.stringify(message.body).includes('"late"') && late++ === 0;
          if (!isFirst) return transport.request(subject, message, options);
          void world.sleep(8_000).then(() => transport.request(subject, message, { timeoutMs: 60_000 }));
          await world.sleep(options.timeoutMs);
          throw new RequestTimeout('on its way for eight seconds');
        },
      };
      const gateway = await join('g', { roles: ['gateway'], transport: slow });
      await world.advance(soon);
      const ann = userOf('ann');
      const postId = newPostId(world, random);
      const send = async (command: Command, commandId?: string): Promise<Answer> =>
        (await passed(world, gateway.commands.send(ann, command, commandId === undefined ? {} : { commandId: commandId as CommandId })))
          .answer;
      expect(await send(register('ann'))).toMatchObject({ outcome: 'accepted' });
      expect(await send({ type: 'DeletePost', postId, authorId: ann }, 'late')).toEqual({
        outcome: 'rejected',
        rejection: 'post-not-found',
      });
      expect(await send({ type: 'CreatePost', postId, text: 'here' })).toMatchObject({ outcome: 'accepted' });
      await world.advance(20_000);
      expect(await events('ann')).toEqual(['UserRegistered', 'PostCreated']);
    },
  );
});

describe('a run', () => {
  test('is begun by the first actor node, joined by later ones, and ended by the last to leave', async () => {
    const { world, log, join } = createCluster();
    const label = 'test';
    const nodes = [await join('a'), await join('b', { skewMs: 200_000 }), await join('c', { skewMs: -200_000 })];
    await world.advance(soon);
    const runs = [];
    for (const node of nodes) {
      runs.push(await beginRun({ ...node.shared, label }));
      await world.advance(soon);
    }
    expect(runs.map(({ begun }) => begun)).toEqual([true, false, false]);
    expect(new Set(runs.map(({ id }) => id)).size).toBe(1);
    const types = async () => {
      const found: string[] = [];
      for await (const batch of log.read(runsStream)) found.push(...batch.flatMap(({ events }) => events.map(({ type }) => type)));
      return found;
    };
    for (const [n, node] of nodes.entries()) {
      expect(await types()).toEqual(['RunStarted']);
      await node.host.stop();
      await endRun({ ...node.shared, run: runs[n]!.id });
      await node.membership.stop();
      await world.advance(soon);
    }
    expect(await types()).toEqual(['RunStarted', 'RunEnded']);
  });

  test('whose nodes are silent is closed by the next one to start', async () => {
    const { world, join } = createCluster();
    const dead = await join('a');
    const first = await beginRun({ ...dead.shared, label: 'dead' });
    await dead.membership.stop();
    await world.advance(soon);
    const next = await beginRun({ ...(await join('b')).shared, label: 'next' });
    expect(next.begun).toBe(true);
    expect(next.id).not.toBe(first.id);
  });
});

import { describe, expect, test } from 'vitest';
import type { Command } from '../../../src/actors/commands.ts';
import { commandFormats, commandMessage, newestFormat } from '../../../src/actors/envelope.ts';
import type { EventLog } from '../../../src/events/event-log.ts';
import type { CommandId } from '../../../src/events/ids.ts';
import { newPostId, parseHandle } from '../../../src/events/ids.ts';
import { NoResponders } from '../../../src/transport/transport.ts';
import { createGate, startNode } from './actor-node.ts';
import { bob, deadlineIn } from './given.ts';

const followBob = { type: 'FollowUser', followeeId: bob } as const;
const names = ['ann', 'ben', 'cid', 'dan', 'eve', 'fay', 'gus', 'hal'];

/** Holds every append of a UserFollowed until the gate opens. */
const holding =
  (gate: { opened: Promise<void> }) =>
  (log: EventLog): EventLog => ({
    ...log,
    async append(stream, expected, commit) {
      if (commit.events[0].type === 'UserFollowed') await gate.opened;
      return log.append(stream, expected, commit);
    },
  });

describe('a mailbox', () => {
  test('is bounded: beyond it the answer is OVERLOADED, and what waited is carried out in order', async () => {
    const gate = createGate();
    const node = await startNode({ bend: holding(gate), limits: { mailboxSizeMax: 3, overloadedRetryMs: 100 } });
    const ann = await node.register('ann');
    const held = node.tell(ann, followBob);
    await node.clock.advance(1);
    const posts = ['1', '2', '3', '4', '5'].map((text) =>
      node.tell(ann, { type: 'CreatePost', postId: newPostId(node.clock, node.random), text }),
    );
    await node.clock.advance(1);
    gate.open();
    const answers = await Promise.all(posts);
    expect(await held).toMatchObject({ outcome: 'accepted' });
    expect(answers.slice(0, 3)).toMatchObject([{ outcome: 'accepted' }, { outcome: 'accepted' }, { outcome: 'accepted' }]);
    expect(answers.slice(3)).toMatchObject([{ outcome: 'overloaded' }, { outcome: 'overloaded' }]);
    const pauses = answers.flatMap((answer) => (answer.outcome === 'overloaded' ? [answer.retryAfterMs] : []));
    expect(Math.min(...pauses)).toBeGreaterThanOrEqual(100);
    expect(Math.max(...pauses)).toBeLessThanOrEqual(200);
    const texts = (await node.commitsOf(ann)).flatMap(({ events }) =>
      events.map((event) => (event.type === 'PostCreated' ? event.text : '')),
    );
    expect(texts).toEqual(['', '', '1', '2', '3']);
    expect((await node.metrics.mailboxDepth.get()).values[0]?.value).toBe(0);
  });

  test('of the whole node is bounded too', async () => {
    const gate = createGate();
    const node = await startNode({ bend: holding(gate), limits: { commandsPerNodeMax: 2 } });
    const users = await Promise.all(['ann', 'ben'].map((name) => node.register(name)));
    const held = users.map((user) => node.tell(user, followBob));
    await node.clock.advance(1);
    expect(await node.tell(users[0]!, followBob)).toMatchObject({ outcome: 'overloaded' });
    gate.open();
    expect(await Promise.all(held)).toMatchObject([{ outcome: 'accepted' }, { outcome: 'accepted' }]);
  });
});

test('each append is observed, once', async () => {
  const node = await startNode({});
  await node.register('ann');
  expect(await node.metrics.text()).toContain('starling_append_seconds_count 1');
});

describe('passivation', () => {
  test('puts actors away that are idle, and nothing is forgotten', async () => {
    const node = await startNode({ limits: { passivateAfterMs: 1_000 } });
    const ann = await node.register('ann');
    await node.clock.advance(700);
    await node.register('ben');
    await node.clock.advance(700);
    expect(node.host.activeActors).toBe(1);
    await node.clock.advance(1_000);
    expect(node.host.activeActors).toBe(0);
    expect((await node.metrics.activeActors.get()).values[0]?.value).toBe(0);
    expect(await node.tell(ann, followBob)).toMatchObject({ outcome: 'accepted' });
  });

  test('goes on when the clock on the wall is set back', async () => {
    const node = await startNode({ limits: { passivateAfterMs: 1_000 } });
    await node.register('ann');
    const { now } = node.clock;
    node.clock.now = () => now() - 3_600_000;
    await node.register('ben');
    await node.clock.advance(2_000);
    expect(node.host.activeActors).toBe(0);
  });

  test('makes room by putting away the actor that was not used for longest', async () => {
    const node = await startNode({ limits: { activeActorsMax: 2 } });
    const recoveries = async () => (await node.metrics.recoveries.get()).values[0]?.value;
    const ann = await node.register('ann');
    const ben = await node.register('ben');
    await node.tell(ann, followBob);
    await node.register('cid');
    expect(node.host.activeActors).toBe(2);
    expect(await recoveries()).toBe(3);
    await node.tell(ann, followBob);
    expect(await recoveries()).toBe(3);
    await node.tell(ben, followBob);
    expect(await recoveries()).toBe(4);
  });

  test.each([1, 64])(
    'never touches an actor that works: with nobody to put away among %d, there is no room',
    async (passivationScanMax) => {
      const gate = createGate();
      const node = await startNode({ bend: holding(gate), limits: { activeActorsMax: 1, passivateAfterMs: 100, passivationScanMax } });
      const ann = await node.register('ann');
      const held = node.tell(ann, followBob);
      await node.clock.advance(1_000);
      expect(await node.tell(node.userOf('ben'), followBob)).toMatchObject({ outcome: 'overloaded' });
      gate.open();
      expect(await held).toMatchObject({ outcome: 'accepted' });
    },
  );
});

test('no more streams are read at the same time than allowed', async () => {
  let reading = 0;
  let readingMax = 0;
  const gate = createGate();
  const bend = (log: EventLog): EventLog => ({
    ...log,
    async head(stream) {
      readingMax = Math.max(readingMax, ++reading);
      await gate.opened;
      reading--;
      return log.head(stream);
    },
  });
  const node = await startNode({ bend, limits: { recoveriesMax: 2 } });
  const registered = names.map((name) => node.register(name));
  await node.clock.advance(1);
  gate.open();
  expect(await Promise.all(registered)).toHaveLength(names.length);
  expect(readingMax).toBe(2);
});

describe('stopping', () => {
  test('carries out what waits, and takes nothing new', async () => {
    const gate = createGate();
    const node = await startNode({ bend: holding(gate) });
    const ann = await node.register('ann');
    const held = [node.tell(ann, followBob), node.tell(ann, { type: 'UnfollowUser', followeeId: bob })];
    await node.clock.advance(1);
    const stopped = node.host.stop();
    await expect(node.tell(ann, followBob)).rejects.toThrow(NoResponders);
    gate.open();
    await stopped;
    expect(await Promise.all(held)).toMatchObject([{ outcome: 'accepted' }, { outcome: 'accepted' }]);
    expect(node.host.activeActors).toBe(0);
    expect(await node.commitsOf(ann)).toHaveLength(3);
  });
});

describe('messages that a node does not understand are refused, counted and logged', () => {
  const good = async () => {
    const node = await startNode();
    const ann = node.userOf('ann');
    const command: Command = { type: 'RegisterUser', handle: parseHandle('ann')!, name: 'Ann', passwordHash: '$' };
    const deadline = deadlineIn(node.clock, 1_000);
    const message = commandMessage([{ userId: ann, commandId: 'c1' as CommandId, clientChose: true, deadline, command }], 1);
    return { node, ann, message, body: message.body as Record<string, unknown>, command };
  };

  test.each([
    ['of another type', 'unknown-type', (m: Awaited<ReturnType<typeof good>>) => ({ ...m.message, type: 'Wish' })],
    [
      'of a newer format',
      'newer-format',
      (m: Awaited<ReturnType<typeof good>>) => ({ ...m.message, format: newestFormat(commandFormats) + 1 }),
    ],
    ['without a body', 'malformed', (m: Awaited<ReturnType<typeof good>>) => ({ ...m.message, body: null })],
    [
      'with an unknown command',
      'malformed',
      (m: Awaited<ReturnType<typeof good>>) => ({ ...m.message, body: { ...m.body, command: { type: 'Shout' } } }),
    ],
    [
      'that take a handle for another user id',
      'malformed',
      (m: Awaited<ReturnType<typeof good>>) => ({ ...m.message, body: { ...m.body, userId: bob } }),
    ],
  ])('%s', async (_what, refusal, spoil) => {
    const made = await good();
    const { node, ann } = made;
    expect(await node.ask(ann, spoil(made))).toEqual({ type: 'Refusal', format: 1, body: { refusal } });
    expect((await node.metrics.commands.get()).values).toMatchObject([{ value: 1, labels: { outcome: 'refused' } }]);
    expect(node.logged).toMatchObject([{ level: 'warn', fields: { refusal } }]);
    expect(node.host.activeActors).toBe(0);
    expect(await node.ask(ann, made.message)).toMatchObject({ type: 'Answer', body: { outcome: 'accepted' } });
  });
});

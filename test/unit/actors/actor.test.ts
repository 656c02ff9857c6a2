import { describe, expect, test } from 'vitest';
import { AppendOutcomeUnknown, LogUnavailable } from '../../../src/events/event-log.ts';
import type { EventLog } from '../../../src/events/event-log.ts';
import { newPostId, userStreamOf } from '../../../src/events/ids.ts';
import { lastPositionOf } from '../../../src/events/position.ts';
import { createGate, startNode } from './actor-node.ts';
import { bob, deadlineIn } from './given.ts';

const followBob = { type: 'FollowUser', followeeId: bob } as const;
const unfollowBob = { type: 'UnfollowUser', followeeId: bob } as const;
const types = (commits: readonly { events: readonly { type: string }[] }[]) =>
  commits.flatMap(({ events }) => events.map(({ type }) => type));

describe('a command', () => {
  test('is appended under its id, and answered with its position', async () => {
    const node = await startNode();
    const ann = await node.register('ann', { commandId: 'c1' });
    const answer = await node.tell(ann, followBob, { commandId: 'c2' });
    const [registered, followed] = await node.commitsOf(ann);
    expect(answer).toEqual({ outcome: 'accepted', repeated: false, position: lastPositionOf(node.truth.id, followed!) });
    expect(registered).toMatchObject({
      time: node.clock.now(),
      metadata: { commandId: 'c1' },
      events: [{ type: 'UserRegistered', handle: 'ann' }],
    });
    expect(followed).toMatchObject({ metadata: { commandId: 'c2' }, events: [{ type: 'UserFollowed', followeeId: bob }] });
  });

  test('repeated has no second effect and the same answer, which names the post of the first time', async () => {
    const node = await startNode();
    const ann = await node.register('ann');
    const post = () => ({ type: 'CreatePost', postId: newPostId(node.clock, node.random), text: 'hello' }) as const;
    const first = await node.tell(ann, post(), { commandId: 'c1' });
    await node.tell(ann, followBob);
    expect(await node.tell(ann, post(), { commandId: 'c1' })).toEqual({ ...first, repeated: true });
    expect(types(await node.commitsOf(ann))).toEqual(['UserRegistered', 'PostCreated', 'UserFollowed']);
  });

  test('repeated has no second effect either where a server that is behind is asked what became of it', async () => {
    let isBehind = false;
    const node = await startNode({ bend: (log) => ({ ...log, commitAt: async (at) => (isBehind ? undefined : log.commitAt(at)) }) });
    const ann = await node.register('ann');
    const post = () => ({ type: 'CreatePost', postId: newPostId(node.clock, node.random), text: 'once' }) as const;
    const first = await node.tell(ann, post(), { commandId: 'c1' });
    isBehind = true;
    expect(await node.tell(ann, post(), { commandId: 'c1' })).toEqual({ outcome: 'unavailable', reason: 'log-unavailable' });
    isBehind = false;
    expect(await node.tell(ann, post(), { commandId: 'c1' })).toEqual({ ...first, repeated: true });
    expect(await node.commitsOf(ann)).toHaveLength(2);
  });

  test('repeated is recognised by an actor that had to recover', async () => {
    const node = await startNode({ limits: { activeActorsMax: 1 } });
    const ann = await node.register('ann');
    const first = await node.tell(ann, followBob, { commandId: 'c1' });
    await node.register('cid');
    expect(await node.tell(ann, followBob, { commandId: 'c1' })).toEqual({ ...first, repeated: true });
    expect(types(await node.commitsOf(ann))).toEqual(['UserRegistered', 'UserFollowed']);
  });

  test('that registers again with another password hash is the same command', async () => {
    const node = await startNode();
    await node.register('ann', { commandId: 'c1' });
    await node.register('ann', { commandId: 'c1' });
    expect(await node.commitsOf(node.userOf('ann'))).toHaveLength(1);
  });

  test('with the id of another one is refused', async () => {
    const node = await startNode();
    const ann = await node.register('ann', { commandId: 'c1' });
    expect(await node.tell(ann, followBob, { commandId: 'c1' })).toEqual({ outcome: 'rejected', rejection: 'command-id-reused' });
    expect(await node.commitsOf(ann)).toHaveLength(1);
  });

  test('that changes nothing is noted when the client may repeat it, and otherwise answered with the end of the stream', async () => {
    const node = await startNode();
    const ann = await node.register('ann');
    const plain = await node.tell(ann, unfollowBob);
    const [registered] = await node.commitsOf(ann);
    expect(plain).toEqual({ outcome: 'accepted', repeated: true, position: lastPositionOf(node.truth.id, registered!) });
    const chosen = await node.tell(ann, unfollowBob, { commandId: 'c1' });
    await node.tell(ann, followBob);
    expect(await node.tell(ann, unfollowBob, { commandId: 'c1' })).toEqual({ ...chosen, repeated: true });
    expect(types(await node.commitsOf(ann))).toEqual(['UserRegistered', 'CommandNoted', 'UserFollowed']);
  });

  test('that was rejected is decided anew', async () => {
    const node = await startNode();
    expect(await node.tell(node.userOf('ann'), followBob, { commandId: 'c1' })).toEqual({
      outcome: 'rejected',
      rejection: 'user-not-found',
    });
    const ann = await node.register('ann');
    expect(await node.tell(ann, followBob, { commandId: 'c1' })).toMatchObject({ outcome: 'accepted', repeated: false });
  });

  test('that nobody waits for any more is not begun', async () => {
    const node = await startNode();
    const ann = await node.register('ann');
    const { monotonicMs, wallMs } = deadlineIn(node.clock, 1_000);
    // Either of the node's clocks is enough: one may have stood still, or been put back.
    for (const deadline of [
      { monotonicMs: node.clock.monotonicMs() - 1, wallMs },
      { monotonicMs, wallMs: node.clock.now() - 1 },
    ]) {
      expect(await node.tell(ann, followBob, { deadline })).toEqual({ outcome: 'unavailable', reason: 'deadline-passed' });
    }
    expect(await node.commitsOf(ann)).toHaveLength(1);
  });

  test('never stands before the event that came before it, whatever the clock says', async () => {
    const node = await startNode();
    const ann = await node.register('ann');
    const later = node.clock.now() + 60_000;
    await node.truth.append(userStreamOf(ann), await node.truth.head(userStreamOf(ann)), {
      time: later,
      events: [{ type: 'CommandNoted' }],
    });
    await node.tell(ann, followBob);
    expect((await node.commitsOf(ann)).map(({ time }) => time)).toEqual([node.clock.now(), later, later]);
  });
});

describe('a second writer', () => {
  async function withPostFromElsewhere() {
    const node = await startNode();
    const ann = await node.register('ann');
    const postId = newPostId(node.clock, node.random);
    await node.truth.append(userStreamOf(ann), await node.truth.head(userStreamOf(ann)), {
      time: node.clock.now(),
      events: [{ type: 'PostCreated', postId, text: 'from elsewhere' }],
    });
    return { node, ann, postId };
  }

  test('does no harm to an append: the actor reads the stream and decides again', async () => {
    const { node, ann } = await withPostFromElsewhere();
    expect(await node.tell(ann, followBob)).toMatchObject({ outcome: 'accepted' });
    expect(types(await node.commitsOf(ann))).toEqual(['UserRegistered', 'PostCreated', 'UserFollowed']);
  });

  test('does no harm to a rejection: it leaves only when the stream ends where it was decided', async () => {
    const { node, ann, postId } = await withPostFromElsewhere();
    expect(await node.tell(ann, { type: 'DeletePost', postId, authorId: ann })).toMatchObject({ outcome: 'accepted' });
  });

  test('that is faster each time makes the sender come back later', async () => {
    const node = await startNode({
      bend: (log) => ({
        ...log,
        async append(stream, expected, commit) {
          if (expected !== 'no-stream')
            await log.append(stream, await log.head(stream), { time: commit.time, events: [{ type: 'CommandNoted' }] });
          return log.append(stream, expected, commit);
        },
      }),
    });
    const ann = await node.register('ann');
    expect(await node.tell(ann, followBob)).toEqual({ outcome: 'overloaded', retryAfterMs: expect.any(Number) });
    expect(new Set(types(await node.commitsOf(ann)))).toEqual(new Set(['UserRegistered', 'CommandNoted']));
  });
});

describe('a log that fails', () => {
  /** Fails the append of every UserFollowed for the first `times`, after `before` was done. */
  const failing =
    (times: number, error: Error, before: (log: EventLog, ...args: Parameters<EventLog['append']>) => Promise<unknown>) =>
    (log: EventLog): EventLog => ({
      ...log,
      async append(stream, expected, commit) {
        if (commit.events[0].type !== 'UserFollowed' || times-- <= 0) return log.append(stream, expected, commit);
        await before(log, stream, expected, commit);
        throw error;
      },
    });
  const written = (log: EventLog, ...args: Parameters<EventLog['append']>) => log.append(...args);
  const lost = async () => {};

  test('after it wrote: the actor reads its stream, finds the command, and answers for certain', async () => {
    const node = await startNode({ bend: failing(1, new AppendOutcomeUnknown('lost'), written) });
    const ann = await node.register('ann');
    const answer = await node.tell(ann, followBob);
    const commits = await node.commitsOf(ann);
    expect(types(commits)).toEqual(['UserRegistered', 'UserFollowed']);
    expect(answer).toEqual({ outcome: 'accepted', repeated: true, position: lastPositionOf(node.truth.id, commits[1]!) });
  });

  test('before it wrote: the actor appends again', async () => {
    const node = await startNode({ bend: failing(1, new AppendOutcomeUnknown('lost'), lost) });
    const ann = await node.register('ann');
    expect(await node.tell(ann, followBob)).toMatchObject({ outcome: 'accepted', repeated: false });
    expect(types(await node.commitsOf(ann))).toEqual(['UserRegistered', 'UserFollowed']);
  });

  test('again and again leaves the outcome unknown, and the actor usable', async () => {
    const node = await startNode({ bend: failing(5, new AppendOutcomeUnknown('lost'), lost) });
    const ann = await node.register('ann');
    expect(await node.tell(ann, followBob, { commandId: 'c1' })).toEqual({ outcome: 'unknown' });
    expect(await node.tell(ann, followBob, { commandId: 'c1' })).toMatchObject({ outcome: 'accepted' });
    expect(types(await node.commitsOf(ann))).toEqual(['UserRegistered', 'UserFollowed']);
  });

  test('for certain says so, and the next command reads the stream first', async () => {
    const node = await startNode({ bend: failing(1, new LogUnavailable('no space left on device'), lost) });
    const ann = await node.register('ann');
    const recoveries = async () => (await node.metrics.recoveries.get()).values[0]?.value;
    expect(await recoveries()).toBe(1);
    expect(await node.tell(ann, followBob)).toEqual({ outcome: 'unavailable', reason: 'log-unavailable' });
    expect(await node.tell(ann, followBob)).toMatchObject({ outcome: 'accepted' });
    expect(await recoveries()).toBe(2);
  });

  test('to tell the present is waited for only by an answer that appends nothing, also after the actor had to recover', async () => {
    const bend = (log: EventLog): EventLog => ({
      ...log,
      async head(stream, how) {
        if (how?.mayBeBehind) return log.head(stream);
        throw new LogUnavailable('nobody leads for certain');
      },
    });
    const node = await startNode({ bend, limits: { activeActorsMax: 1 } });
    const ann = await node.register('ann');
    await node.register('cid');
    expect(await node.tell(ann, followBob)).toMatchObject({ outcome: 'accepted' });
    expect(await node.tell(ann, followBob)).toEqual({ outcome: 'unavailable', reason: 'log-unavailable' });
    expect(types(await node.commitsOf(ann))).toEqual(['UserRegistered', 'UserFollowed']);
  });

  test('in a way that nobody thought of stops the actor; those who wait are turned away, and the next command finds a new actor', async () => {
    const gate = createGate();
    let failures = 0;
    const bend = (log: EventLog): EventLog => ({
      ...log,
      async append(stream, expected, commit) {
        if (commit.events[0].type !== 'UserFollowed' || failures++ > 0) return log.append(stream, expected, commit);
        await gate.opened;
        const head = await log.append(stream, expected, commit);
        return { ...head, version: head.version + 7 };
      },
    });
    const node = await startNode({ bend });
    const ann = await node.register('ann');
    const first = node.tell(ann, followBob, { commandId: 'c1' });
    const second = node.tell(ann, unfollowBob);
    await node.clock.advance(1);
    gate.open();
    expect(await first).toEqual({ outcome: 'unknown' });
    expect(await second).toEqual({ outcome: 'unavailable', reason: 'stopping' });
    expect(node.host.activeActors).toBe(0);
    expect(node.logged).toMatchObject([
      { level: 'error', fields: { stream: userStreamOf(ann) }, message: 'an actor met a bug and stopped' },
    ]);
    expect(await node.tell(ann, followBob, { commandId: 'c1' })).toMatchObject({ outcome: 'accepted', repeated: true });
    expect(types(await node.commitsOf(ann))).toEqual(['UserRegistered', 'UserFollowed']);
  });
});

import { describe, expect, test } from 'vitest';
import type { Command } from '../../../src/actors/commands.ts';
import { commandMessage } from '../../../src/actors/envelope.ts';
import { AppendOutcomeUnknown, LogCorrupt, LogUnavailable, WrongExpectedVersion } from '../../../src/events/event-log.ts';
import type { EventLog } from '../../../src/events/event-log.ts';
import { userStreamOf } from '../../../src/events/ids.ts';
import type { CommandId, UserId } from '../../../src/events/ids.ts';
import { createGate, startNode } from './actor-node.ts';
import { bob, deadlineIn, post1, post2 } from './given.ts';

type AppendAll = NonNullable<EventLog['appendAll']>;

const followBob = { type: 'FollowUser', followeeId: bob } as const;
const unfollowBob = { type: 'UnfollowUser', followeeId: bob } as const;
const post = (postId = post1): Command => ({ type: 'CreatePost', postId, text: 'hello' });
const deletePost = (authorId: UserId): Command => ({ type: 'DeletePost', postId: post1, authorId });

/** A node whose log tells how many commits came with each append; `bend` stands before `appendAll`. */
async function startCountingNode(
  bend: (append: AppendAll, ...args: Parameters<AppendAll>) => ReturnType<AppendAll> = (append, ...args) => append(...args),
) {
  const appends: number[] = [];
  const node = await startNode({
    bend: (log) => ({
      ...log,
      async append(stream, expected, commit) {
        appends.push(1);
        return log.append(stream, expected, commit);
      },
      async appendAll(stream, expected, commits) {
        appends.push(commits.length);
        return bend(log.appendAll!, stream, expected, commits);
      },
    }),
  });
  const ann = await node.register('ann');
  appends.length = 0;
  const types = async () => (await node.commitsOf(ann)).flatMap(({ events }) => events.map(({ type }) => type));
  return { node, ann, appends, types };
}

describe('commands that come together', () => {
  const envelopeOf = (node: Awaited<ReturnType<typeof startNode>>, userId: UserId) => (command: Command, n: number) => ({
    userId,
    commandId: `c${n}` as CommandId,
    clientChose: false,
    deadline: deadlineIn(node.clock, 10_000),
    command,
  });

  test('in one message are appended together, and their answers go back together', async () => {
    const { node, ann, appends, types } = await startCountingNode();
    const [first, ...others] = [post(post1), followBob, post(post2)].map(envelopeOf(node, ann));
    const reply = await node.ask(ann, commandMessage([first!, ...others], 2));
    expect(appends).toEqual([3]);
    expect(await types()).toEqual(['UserRegistered', 'PostCreated', 'UserFollowed', 'PostCreated']);
    const commits = (await node.commitsOf(ann)).slice(1);
    expect(reply).toMatchObject({ type: 'Answer', format: 2, body: commits.map(({ commit }) => ({ position: { commit } })) });
  });

  test('find room in the mailbox or are turned away, each for itself', async () => {
    const node = await startNode({ limits: { mailboxSizeMax: 2 } });
    const ann = await node.register('ann');
    const [first, ...others] = [post(post1), followBob, post(post2)].map(envelopeOf(node, ann));
    const reply = await node.ask(ann, commandMessage([first!, ...others], 2));
    expect(reply.body).toMatchObject([{ outcome: 'accepted' }, { outcome: 'accepted' }, { outcome: 'overloaded' }]);
    const counted = (await node.metrics.commands.get()).values.map(({ labels, value }) => [labels['command'], labels['outcome'], value]);
    expect(counted).toEqual([
      ['RegisterUser', 'accepted', 1],
      ['CreatePost', 'accepted', 1],
      ['FollowUser', 'accepted', 1],
      ['CreatePost', 'overloaded', 1],
    ]);
  });
});

describe('commands that wait together', () => {
  test('are appended together when they are about different things, and each is answered with its own position', async () => {
    const { node, ann, appends, types } = await startCountingNode();
    const wishes = [post(post1), followBob, post(post2)];
    const answers = await Promise.all(wishes.map((wish, n) => node.tell(ann, wish, { commandId: `c${n}` })));
    expect(appends).toEqual([3]);
    expect(await types()).toEqual(['UserRegistered', 'PostCreated', 'UserFollowed', 'PostCreated']);
    const commits = (await node.commitsOf(ann)).slice(1);
    expect(answers).toMatchObject(commits.map(({ commit }) => ({ outcome: 'accepted', repeated: false, position: { commit } })));
    expect(commits.map(({ metadata }) => metadata?.commandId)).toEqual(['c0', 'c1', 'c2']);
    expect(await Promise.all(wishes.map((wish, n) => node.tell(ann, wish, { commandId: `c${n}` })))).toEqual(
      answers.map((answer) => ({ ...answer, repeated: true })),
    );
  });

  test('are decided one after the other when they are about the same thing', async () => {
    const { node, ann, appends, types } = await startCountingNode();
    const answers = await Promise.all([post(), deletePost(ann), followBob, unfollowBob, followBob].map((wish) => node.tell(ann, wish)));
    expect(answers.map(({ outcome }) => outcome)).toEqual(Array.from({ length: 5 }, () => 'accepted'));
    expect(appends).toEqual([1, 2, 1, 1]);
    expect(await types()).toEqual(['UserRegistered', 'PostCreated', 'PostDeleted', 'UserFollowed', 'UserUnfollowed', 'UserFollowed']);
  });

  test('with one id are one command', async () => {
    const { node, ann, types } = await startCountingNode();
    const answers = await Promise.all([followBob, followBob, post()].map((wish) => node.tell(ann, wish, { commandId: 'c1' })));
    expect(answers).toMatchObject([
      { outcome: 'accepted', repeated: false },
      { outcome: 'accepted', repeated: true },
      { outcome: 'rejected', rejection: 'command-id-reused' },
    ]);
    expect(await types()).toEqual(['UserRegistered', 'UserFollowed']);
  });

  test('are answered only when all of them are durable, also those that append nothing', async () => {
    const gate = createGate();
    const { node, ann } = await startCountingNode(async (append, ...args) => {
      await gate.opened;
      return append(...args);
    });
    const answered: string[] = [];
    const wishes = [
      post(),
      unfollowBob,
      { type: 'CreatePost', postId: post2, text: '' },
      { type: 'FollowUser', followeeId: node.userOf('cid') },
    ] as const;
    const all = Promise.all(wishes.map(async (wish) => answered.push((await node.tell(ann, wish)).outcome)));
    await node.clock.advance(1_000);
    expect(answered).toEqual([]);
    gate.open();
    await all;
    expect(answered.toSorted()).toEqual(['accepted', 'accepted', 'accepted', 'rejected']);
  });

  test('of a user whose history is damaged are told, each, that the log cannot serve them', async () => {
    let isDamaged = false;
    const bend = (log: EventLog): EventLog => ({
      ...log,
      async *read(stream, fromVersion) {
        if (isDamaged) throw new LogCorrupt('commit 1: is not JSON');
        yield* log.read(stream, fromVersion);
      },
    });
    const node = await startNode({ bend, limits: { activeActorsMax: 1 } });
    const ann = await node.register('ann');
    await node.register('cid');
    isDamaged = true;
    const unavailable = { outcome: 'unavailable', reason: 'log-unavailable' };
    expect(await Promise.all([node.tell(ann, post()), node.tell(ann, followBob)])).toEqual([unavailable, unavailable]);
    isDamaged = false;
    expect(await node.tell(ann, followBob)).toMatchObject({ outcome: 'accepted' });
  });

  test('and whose time is over are not begun', async () => {
    const { node, ann, types } = await startCountingNode();
    const late = { deadline: deadlineIn(node.clock, -1) };
    const answers = await Promise.all([node.tell(ann, post()), node.tell(ann, followBob, late), node.tell(ann, post(post2))]);
    expect(answers[1]).toEqual({ outcome: 'unavailable', reason: 'deadline-passed' });
    expect(await types()).toEqual(['UserRegistered', 'PostCreated', 'PostCreated']);
  });

  test('are as many as a mailbox holds, whether they wait or share a turn', async () => {
    const gate = createGate();
    const node = await startNode({
      limits: { mailboxSizeMax: 4 },
      bend: (log) => ({
        ...log,
        async appendAll(stream, expected, commits) {
          await gate.opened;
          return log.appendAll!(stream, expected, commits);
        },
      }),
    });
    const ann = await node.register('ann');
    const follow = (n: number) => node.tell(ann, { type: 'FollowUser', followeeId: node.userOf(`u${n}`) });
    const first = [0, 1, 2].map(follow);
    await node.clock.advance(1);
    const more = [3, 4, 5, 6].map(follow);
    await node.clock.advance(1);
    gate.open();
    const outcomes = (await Promise.all([...first, ...more])).map(({ outcome }) => outcome);
    expect(outcomes).toEqual(['accepted', 'accepted', 'accepted', 'accepted', 'accepted', 'overloaded', 'overloaded']);
  });
});

describe('a turn whose append', () => {
  const twoPosts = [post(post1), post(post2)];

  test.each<[string, Error, boolean, boolean]>([
    ['was lost', new AppendOutcomeUnknown('lost'), false, false],
    ['was done, and its answer lost', new AppendOutcomeUnknown('lost'), true, true],
    ['came too late', new WrongExpectedVersion(userStreamOf(bob)), false, false],
    ['found no room', new LogUnavailable('no space left'), false, false],
  ])('%s is carried out one by one, and nothing has two effects', async (_, error, written, repeated) => {
    const { node, ann, appends, types } = await startCountingNode(async (append, ...args) => {
      if (written) await append(...args);
      throw error;
    });
    const answers = await Promise.all(twoPosts.map((wish) => node.tell(ann, wish)));
    expect(answers).toMatchObject([
      { outcome: 'accepted', repeated },
      { outcome: 'accepted', repeated },
    ]);
    expect(appends).toEqual(written ? [2] : [2, 1, 1]);
    expect(await types()).toEqual(['UserRegistered', 'PostCreated', 'PostCreated']);
  });

  test('may still come in leaves the outcome of what is not tried again unknown', async () => {
    const { node, ann } = await startCountingNode(async () => {
      await node.clock.sleep(2_000);
      throw new AppendOutcomeUnknown('lost');
    });
    const answers = Promise.all(twoPosts.map((wish) => node.tell(ann, wish, { deadline: deadlineIn(node.clock, 1_000) })));
    await node.clock.advance(3_000);
    expect(await answers).toEqual([{ outcome: 'unknown' }, { outcome: 'unknown' }]);
  });

  test('ends in a way that nobody thought of stops the actor, and no command of it counts as done', async () => {
    const { node, ann } = await startCountingNode(async (append, ...args) => {
      const [first, ...others] = await append(...args);
      return [{ ...first, version: first.version + 7 }, ...others];
    });
    expect(await Promise.all(twoPosts.map((wish) => node.tell(ann, wish, { commandId: JSON.stringify(wish) })))).toEqual([
      { outcome: 'unknown' },
      { outcome: 'unknown' },
    ]);
    expect(node.host.activeActors).toBe(0);
  });
});

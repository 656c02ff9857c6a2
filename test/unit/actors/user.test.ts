import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Command } from '../../../src/actors/commands.ts';
import { decide, evolve, initial, topicOf } from '../../../src/actors/user/user.ts';
import type { UserState } from '../../../src/actors/user/user.ts';
import type { UserEvent } from '../../../src/events/event-types.ts';
import type { PostId, UserId } from '../../../src/events/ids.ts';
import { ann, annRegistered, bob, given, post1, post2, registerAnn } from './given.ts';

const bobFollowed: UserEvent = { type: 'UserFollowed', followeeId: bob };
const bobUnfollowed: UserEvent = { type: 'UserUnfollowed', followeeId: bob };
const posted: UserEvent = { type: 'PostCreated', postId: post1, text: 'hello' };
const deleted: UserEvent = { type: 'PostDeleted', postId: post1 };
const followBob: Command = { type: 'FollowUser', followeeId: bob };
const unfollowBob: Command = { type: 'UnfollowUser', followeeId: bob };
const post = (text: string): Command => ({ type: 'CreatePost', postId: post1, text });
const deletePost = (authorId = ann): Command => ({ type: 'DeletePost', postId: post1, authorId });

describe('registering', () => {
  test('takes a handle that nobody has', () =>
    given()
      .when(registerAnn)
      .isAcceptedWith({ ...annRegistered, passwordHash: '$argon2id$2' } as UserEvent));
  test('is refused for a handle that is taken', () => given(annRegistered).when(registerAnn).isRejectedWith('handle-taken'));
  test.each([followBob, unfollowBob, post('hello'), deletePost()])('comes before all else: $type', (command) =>
    given().when(command).isRejectedWith('user-not-found'),
  );
});

describe('following', () => {
  test('is recorded', () => given(annRegistered).when(followBob).isAcceptedWith(bobFollowed));
  test('twice changes nothing', () => given(annRegistered, bobFollowed).when(followBob).isAcceptedWithNothingToRecord());
  test('again after an end is recorded', () =>
    given(annRegistered, bobFollowed, bobUnfollowed).when(followBob).isAcceptedWith(bobFollowed));
  test('oneself is refused', () => given(annRegistered).when({ type: 'FollowUser', followeeId: ann }).isRejectedWith('cannot-follow-self'));
  test('ends', () => given(annRegistered, bobFollowed).when(unfollowBob).isAcceptedWith(bobUnfollowed));
  test('that never began ends without a trace', () => given(annRegistered).when(unfollowBob).isAcceptedWithNothingToRecord());
  test('oneself cannot end', () =>
    given(annRegistered).when({ type: 'UnfollowUser', followeeId: ann }).isRejectedWith('cannot-follow-self'));
});

describe('posting', () => {
  test('is recorded', () => given(annRegistered).when(post('hello')).isAcceptedWith(posted));
  test('a reply names its parent', () => {
    const inReplyTo = { postId: post2, authorId: bob };
    given(annRegistered)
      .when({ type: 'CreatePost', postId: post1, text: 'yes', inReplyTo })
      .isAcceptedWith({ type: 'PostCreated', postId: post1, text: 'yes', inReplyTo });
  });
  test('a reply to what is gone is refused', () =>
    given(annRegistered)
      .when({ type: 'CreatePost', postId: post1, text: 'yes', inReplyTo: { postId: post2 } })
      .isRejectedWith('post-not-found'));
  test('an id that was there before changes nothing', () =>
    given(annRegistered, posted).when(post('hello')).isAcceptedWithNothingToRecord());
  test('does not bring a deleted post back', () =>
    given(annRegistered, posted, deleted).when(post('hello')).isAcceptedWithNothingToRecord());

  test.each([
    ['nothing', ''],
    ['blanks', ' \t\n\u3000\u00a0'],
    ['joiners and fillers that nobody sees', '\u200b\u200d\ufeff\u3164\u2800'],
    ['controls', '\u0001\u0002'],
  ])('%s is refused', (_what, text) => given(annRegistered).when(post(text)).isRejectedWith('post-empty'));

  const family = '👨‍👩‍👧‍👦';
  test.each([
    ['500 letters', 'a'.repeat(500)],
    ['500 letters with an accent each', 'e\u0301'.repeat(500)],
    ['300 families of four', family.repeat(300)],
    ['one grapheme of 1,000 combining marks', `a${'\u0301'.repeat(1_000)}`],
    ['500 ideographs', '椋'.repeat(500)],
    ['one visible letter among blanks', `${' '.repeat(499)}a`],
  ])('%s are a post', (_what, text) => given(annRegistered).when(post(text)).isAcceptedWith({ type: 'PostCreated', postId: post1, text }));

  test.each([
    ['501 letters', 'a'.repeat(501)],
    ['501 letters with an accent each', 'e\u0301'.repeat(501)],
    ['one grapheme of 5,000 combining marks, 10 kB', `a${'\u0301'.repeat(5_000)}`],
    ['a megabyte', 'a'.repeat(1 << 20)],
    ['a megabyte of one grapheme', `a${'\u0301'.repeat(1 << 19)}`],
    ['a megabyte of blanks', ' '.repeat(1 << 20)],
  ])('%s are too long', (_what, text) => given(annRegistered).when(post(text)).isRejectedWith('post-too-long'));
});

describe('deleting a post', () => {
  test('is recorded', () => given(annRegistered, posted).when(deletePost()).isAcceptedWith(deleted));
  test('twice changes nothing', () => given(annRegistered, posted, deleted).when(deletePost()).isAcceptedWithNothingToRecord());
  test('of somebody else is refused', () => given(annRegistered).when(deletePost(bob)).isRejectedWith('not-the-author'));
  test('that never was is refused', () => given(annRegistered).when(deletePost()).isRejectedWith('post-not-found'));
});

describe('laws', () => {
  const userIds = Array.from({ length: 5 }, (_, n) => `0b0b0b0b-0000-5000-8000-00000000000${n}` as UserId);
  const postIds = Array.from({ length: 5 }, (_, n) => `01890000-0000-7000-8000-00000000000${n}` as PostId);
  const command: fc.Arbitrary<Command> = fc.oneof(
    fc.constant(registerAnn),
    fc.record({ type: fc.constantFrom('FollowUser', 'UnfollowUser'), followeeId: fc.constantFrom(ann, ...userIds) }),
    fc.record({ type: fc.constant('CreatePost'), postId: fc.constantFrom(...postIds), text: fc.constantFrom('', 'a', 'b') }),
    fc.record({ type: fc.constant('DeletePost'), postId: fc.constantFrom(...postIds), authorId: fc.constantFrom(ann, bob) }),
  );
  const commands = fc.array(command, { maxLength: 40 }).map((rest) => [registerAnn, ...rest]);

  function carryOut(state: UserState, wish: Command): { state: UserState; events: readonly UserEvent[] } {
    const decision = decide(wish, state);
    const events = decision.accepted ? decision.events : [];
    return { state: events.reduce(evolve, state), events };
  }

  test('a command repeated at once changes nothing', () => {
    fc.assert(
      fc.property(commands, (wishes) => {
        let state = initial(ann);
        for (const wish of wishes) {
          ({ state } = carryOut(state, wish));
          expect(carryOut(state, wish).events).toEqual([]);
        }
      }),
    );
  });

  test('what was recorded tells the same as what was lived through', () => {
    fc.assert(
      fc.property(commands, (wishes) => {
        let lived = initial(ann);
        const recorded: UserEvent[] = [];
        for (const wish of wishes) {
          const step = carryOut(lived, wish);
          lived = step.state;
          recorded.push(...step.events);
        }
        expect(described(recorded.reduce(evolve, initial(ann)))).toEqual(described(lived));
      }),
    );
  });

  test('commands about different things do not change what is decided on each other', () => {
    fc.assert(
      fc.property(commands, command, command, (wishes, one, other) => {
        const topics = [topicOf(one), topicOf(other)];
        fc.pre(topics[0] !== topics[1] && !topics.includes(undefined));
        let state = initial(ann);
        for (const earlier of wishes) ({ state } = carryOut(state, earlier));
        const before = decide(other, state);
        ({ state } = carryOut(state, one));
        expect(decide(other, state)).toEqual(before);
      }),
    );
  });

  test('deciding changes nothing', () => {
    fc.assert(
      fc.property(commands, command, (wishes, wish) => {
        let state = initial(ann);
        for (const earlier of wishes) ({ state } = carryOut(state, earlier));
        const before = described(state);
        expect(decide(wish, state)).toEqual(decide(wish, state));
        expect(described(state)).toEqual(before);
      }),
    );
  });
});

function described(state: UserState) {
  const { registered, followees, posts, deletedPosts } = state;
  return { registered, followees: followees?.packed(), posts: posts?.packed(), deletedPosts: deletedPosts?.packed() };
}

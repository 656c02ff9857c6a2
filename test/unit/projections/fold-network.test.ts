import { describe, expect, it } from 'vitest';
import type { RecordedCommit } from '../../../src/events/event-log.ts';
import type { DomainEvent } from '../../../src/events/event-types.ts';
import type { PostId, StreamName, UserId } from '../../../src/events/ids.ts';
import { foldNetwork } from '../../../src/projections/network/fold.ts';

const ann = '00000000-0000-5000-8000-00000000000a' as UserId;
const bob = '00000000-0000-5000-8000-00000000000b' as UserId;
const post = '01900000-0000-7000-8000-000000000001' as PostId;

const commitsOf = (...events: DomainEvent[]): RecordedCommit[] =>
  events.map((event, index) => ({
    commit: index + 1,
    stream: `user-${ann}` as StreamName,
    firstVersion: index,
    predecessor: index || null,
    time: 1_000 + index,
    events: [event],
  }));
const follow: DomainEvent = { type: 'UserFollowed', followeeId: bob };
const unfollow: DomainEvent = { type: 'UserUnfollowed', followeeId: bob };

describe('folding a batch to net changes', () => {
  it('keeps the last of follow and unfollow, with the place of the last follow', () => {
    expect(foldNetwork(commitsOf(follow)).followed).toEqual([{ follower: ann, followee: bob, place: 1_024, time: 1_000 }]);
    const ended = foldNetwork(commitsOf(follow, unfollow));
    expect(ended).toMatchObject({ followed: [], unfollowed: [{ follower: ann, followee: bob }] });
    const again = foldNetwork(commitsOf(follow, unfollow, follow));
    expect(again).toMatchObject({ followed: [{ place: 3 * 1_024 }], unfollowed: [{ follower: ann, followee: bob }] });
  });

  it('deletes a post that it created, in case it was there before', () => {
    const changes = foldNetwork(commitsOf({ type: 'PostCreated', postId: post, text: 'x' }, { type: 'PostDeleted', postId: post }));
    expect(changes).toMatchObject({ created: [], deleted: [{ author: ann, postId: post }] });
  });

  it('has nothing to do with streams of the system and commands that changed nothing', () => {
    const [commit] = commitsOf({ type: 'CommandNoted' });
    const nothing = { registered: [], followed: [], unfollowed: [], created: [], deleted: [] };
    expect(foldNetwork([commit!])).toEqual(nothing);
    expect(foldNetwork([{ ...commit!, stream: 'runs' as StreamName, events: [follow] }])).toEqual(nothing);
  });
});

import type { RecordedCommit } from '../../events/event-log.ts';
import type { UserRegistered, PostCreated } from '../../events/event-types.ts';
import { userOfStream } from '../../events/ids.ts';
import type { PostId, UserId } from '../../events/ids.ts';
import { placeOfEvent } from '../places.ts';

interface Registered {
  readonly id: UserId;
  readonly place: number;
  readonly time: number;
  readonly event: UserRegistered;
}
interface Follow {
  readonly follower: UserId;
  readonly followee: UserId;
  readonly place: number;
  readonly time: number;
}
interface Created {
  readonly author: UserId;
  readonly place: number;
  readonly time: number;
  readonly event: PostCreated;
}

/** What a batch of commits comes to. Carried out in this order: register, unfollow, follow, create, delete. */
export interface NetworkChanges {
  readonly registered: readonly Registered[];
  readonly unfollowed: readonly { readonly follower: UserId; readonly followee: UserId }[];
  readonly followed: readonly Follow[];
  readonly created: readonly Created[];
  readonly deleted: readonly { readonly author: UserId; readonly postId: PostId }[];
}

/** Folds events to net changes: what was made and undone in one batch is only undone, in case an earlier application had made it. */
export function foldNetwork(commits: readonly RecordedCommit[]): NetworkChanges {
  const registered = new Map<UserId, Registered>();
  const unfollowed = new Map<string, { follower: UserId; followee: UserId }>();
  const followed = new Map<string, Follow>();
  const created = new Map<PostId, Created>();
  const deleted = new Map<PostId, { author: UserId; postId: PostId }>();
  for (const commit of commits) {
    const user = userOfStream(commit.stream);
    if (user === undefined) continue;
    for (const [index, event] of commit.events.entries()) {
      const { time } = commit;
      const place = placeOfEvent(commit.commit, index);
      switch (event.type) {
        case 'UserRegistered':
          if (!registered.has(user)) registered.set(user, { id: user, place, time, event });
          break;
        case 'UserFollowed': {
          const key = user + event.followeeId;
          if (!followed.has(key)) followed.set(key, { follower: user, followee: event.followeeId, place, time });
          break;
        }
        case 'UserUnfollowed': {
          const key = user + event.followeeId;
          followed.delete(key);
          unfollowed.set(key, { follower: user, followee: event.followeeId });
          break;
        }
        case 'PostCreated':
          if (!created.has(event.postId)) created.set(event.postId, { author: user, place, time, event });
          break;
        case 'PostDeleted':
          created.delete(event.postId);
          deleted.set(event.postId, { author: user, postId: event.postId });
          break;
        case 'CommandNoted':
        case 'RunStarted':
        case 'RunEnded':
          break;
      }
    }
  }
  return {
    registered: [...registered.values()],
    unfollowed: [...unfollowed.values()],
    followed: [...followed.values()],
    created: [...created.values()],
    deleted: [...deleted.values()],
  };
}

import { hash } from 'node:crypto';
import type { RecordedCommit } from '../../events/event-log.ts';
import type { UserEvent } from '../../events/event-types.ts';
import { userIdOf, userOfStream } from '../../events/ids.ts';
import type { Handle, PostId, UserId } from '../../events/ids.ts';
import { placeOf } from '../../events/position.ts';
import type { Findings } from './findings.ts';

// Who there is, who follows whom and what was posted, as plainly as it can be told from the log alone. The projection that it is compared with folds
// batches, counts in SQL and loads in bulk; this one does one event after the other. Texts are kept as hashes.

export interface ModelUser {
  readonly id: UserId;
  readonly handle: Handle;
  readonly place: string;
  readonly createdAt: number;
  /** Of name and password hash. */
  readonly about: string;
  followers: number;
  readonly followees: Map<UserId, { readonly place: string; readonly time: number }>;
  /** In the order of the log. */
  readonly posts: Map<PostId, ModelPost>;
}

export interface ModelPost {
  readonly id: PostId;
  readonly author: UserId;
  readonly commit: number;
  readonly place: string;
  readonly createdAt: number;
  readonly inReplyTo: PostId | null;
  readonly text: string;
}

export interface NetworkModel {
  readonly users: ReadonlyMap<UserId, ModelUser>;
  readonly posts: ReadonlyMap<PostId, ModelPost>;
  apply(commit: RecordedCommit): void;
}

export function digestOf(...texts: readonly string[]): string {
  return hash('sha256', JSON.stringify(texts), 'base64url').slice(0, 16);
}

export function createNetworkModel(namespace: string, findings: Findings): NetworkModel {
  const users = new Map<UserId, ModelUser>();
  const posts = new Map<PostId, ModelPost>();
  /** Followers of who has not registered: nobody should have any. */
  const early = new Map<UserId, number>();

  function countFollower(followee: UserId, change: 1 | -1): void {
    const user = users.get(followee);
    if (user) user.followers += change;
    else early.set(followee, (early.get(followee) ?? 0) + change);
  }

  /** What is wrong with it, if the actor could not have decided it. */
  function applyEvent(commit: RecordedCommit, id: UserId, event: UserEvent, index: number): string | undefined {
    const { time } = commit;
    const place = placeOf({ logId: '' as never, commit: commit.commit, index }).toString();
    const user = users.get(id);
    if (event.type === 'UserRegistered') {
      if (user !== undefined) return 'registers a second time';
      const { handle, name, passwordHash } = event;
      const about = digestOf(name, passwordHash);
      users.set(id, { id, handle, place, createdAt: time, about, followers: early.get(id) ?? 0, followees: new Map(), posts: new Map() });
      return id === userIdOf(handle, namespace) ? undefined : 'registers a handle that belongs to another id';
    }
    if (user === undefined) return 'comes before its user has registered';
    switch (event.type) {
      case 'UserFollowed':
        if (user.followees.has(event.followeeId)) return 'follows whom the user follows already';
        user.followees.set(event.followeeId, { place, time });
        countFollower(event.followeeId, 1);
        return event.followeeId === id ? 'follows the user itself' : undefined;
      case 'UserUnfollowed':
        if (!user.followees.delete(event.followeeId)) return 'ends a follow that is none';
        countFollower(event.followeeId, -1);
        return undefined;
      case 'PostCreated': {
        const { postId, text, inReplyTo } = event;
        if (posts.has(postId)) return 'gives the id of another post';
        const parent = inReplyTo?.postId ?? null;
        const post = { id: postId, author: id, commit: commit.commit, place, createdAt: time, inReplyTo: parent, text: digestOf(text) };
        posts.set(postId, post);
        user.posts.set(postId, post);
        return undefined;
      }
      case 'PostDeleted':
        if (!user.posts.delete(event.postId)) return 'deletes what is no post of the user';
        posts.delete(event.postId);
        return undefined;
      case 'CommandNoted':
        return undefined;
    }
  }

  return {
    users,
    posts,
    apply(commit) {
      const id = userOfStream(commit.stream);
      for (const [index, event] of commit.events.entries()) {
        // Those are looked at with the statistics.
        if (event.type === 'RunStarted' || event.type === 'RunEnded') continue;
        const wrong = id === undefined ? 'stands outside of the stream of a user' : applyEvent(commit, id, event, index);
        if (wrong !== undefined) findings.found('impossibleEvents', `commit ${commit.commit} (${commit.stream}): ${event.type} ${wrong}`);
      }
    },
  };
}

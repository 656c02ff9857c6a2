import type { Handle, LogId, PostId, UserId } from '../../../events/ids.ts';
import { positionOf } from '../../../events/position.ts';
import type { PostRow, UserRow } from '../../read-model.ts';

/** Columns of a user as queries select them from `users`; counts and times come as text, like every 64-bit integer. */
export const userColumns =
  'users.id as user_id, users.handle, users.name, users.bio, users.created_at as user_created_at, users.post_count, users.follower_count, users.following_count';

export interface UserColumns {
  readonly user_id: UserId;
  readonly handle: Handle;
  readonly name: string;
  readonly bio: string;
  readonly user_created_at: string;
  readonly post_count: string;
  readonly follower_count: string;
  readonly following_count: string;
}

export function userRow(found: UserColumns): UserRow {
  return {
    id: found.user_id,
    handle: found.handle,
    name: found.name,
    bio: found.bio,
    createdAt: Number(found.user_created_at),
    postCount: Number(found.post_count),
    followerCount: Number(found.follower_count),
    followingCount: Number(found.following_count),
  };
}

/** Columns of a post from `post`, an alias, joined with its author from `users`. */
export const postColumns = `post.id as post_id, post.text, post.created_at as post_created_at, post.place, post.in_reply_to, ${userColumns}`;

export interface PostColumns extends UserColumns {
  readonly post_id: PostId;
  readonly text: string;
  readonly post_created_at: string;
  readonly place: string;
  readonly in_reply_to: PostId | null;
}

export function postRow(logId: LogId, found: PostColumns): PostRow {
  return {
    id: found.post_id,
    text: found.text,
    createdAt: Number(found.post_created_at),
    position: positionOf(logId, found.place),
    author: userRow(found),
    inReplyTo: found.in_reply_to,
  };
}

import type { CommandId, Handle, PostId, UserId } from '../events/ids.ts';
import type { Position } from '../events/position.ts';
import type { Deadline } from './deadline.ts';

// Wishes. Facts of other users were resolved by the gateway and travel inside: that the followee exists, who wrote the post.

export type RegisterUser = { readonly type: 'RegisterUser'; readonly handle: Handle; readonly name: string; readonly passwordHash: string };
export type FollowUser = { readonly type: 'FollowUser'; readonly followeeId: UserId };
export type UnfollowUser = { readonly type: 'UnfollowUser'; readonly followeeId: UserId };
/** `postId` is proposed by the sender; when the command is a repeated one, the answer names the post of the first time. */
export type CreatePost = {
  readonly type: 'CreatePost';
  readonly postId: PostId;
  readonly text: string;
  /** Without its author when it is gone: then only a command that is a repeated one is accepted. */
  readonly inReplyTo?: { readonly postId: PostId; readonly authorId?: UserId };
};
export type DeletePost = { readonly type: 'DeletePost'; readonly postId: PostId; readonly authorId: UserId };

export type Command = RegisterUser | FollowUser | UnfollowUser | CreatePost | DeletePost;

/** The decider's no: the user's doing, never an exception. The gateway maps each to a message. */
export const rejections = [
  'handle-taken',
  'cannot-follow-self',
  'user-not-found',
  'post-not-found',
  'not-the-author',
  'post-empty',
  'post-too-long',
  'command-id-reused',
] as const;
export type Rejection = (typeof rejections)[number];

/** A command on its way to the actor of `userId`. */
export interface CommandEnvelope {
  readonly userId: UserId;
  readonly commandId: CommandId;
  /** A client that chose the id may repeat it: then even a command that changes nothing is noted in the log. */
  readonly clientChose: boolean;
  /** Past it nobody waits for the answer any more, and the actor must not begin. */
  readonly deadline: Deadline;
  readonly command: Command;
}

export type Answer =
  /**
   * `repeated`: nothing was appended for it, since it had been carried out before or what it wants is so already. `position`: of its outcome; for
   * what changed nothing, the end of the user's stream.
   */
  | { readonly outcome: 'accepted'; readonly position: Position; readonly repeated: boolean; readonly postId?: PostId }
  | { readonly outcome: 'rejected'; readonly rejection: Rejection }
  /** Certainly not carried out; try again after `retryAfterMs`. */
  | { readonly outcome: 'overloaded'; readonly retryAfterMs: number }
  /**
   * Certainly not carried out: `log-unavailable` (a full disk), `stopping` (the node leaves), `upgrade-in-progress` (it would be sent or
   * recorded in a way that some node of the cluster cannot read yet).
   */
  | { readonly outcome: 'unavailable'; readonly reason: 'log-unavailable' | 'stopping' | 'deadline-passed' | 'upgrade-in-progress' }
  /** May or may not have been carried out: repeat with the same command id. */
  | { readonly outcome: 'unknown' };

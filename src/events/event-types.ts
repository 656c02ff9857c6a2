import type { CommandId, Handle, PostId, RunId, UserId } from './ids.ts';

// WHAT HAPPENED, for ever: these shapes are the storage format. A changed shape gets a new schema version and an upcaster.
// The user of an event is the owner of the stream that it stands in.

export type UserRegistered = {
  readonly type: 'UserRegistered';
  readonly handle: Handle;
  readonly name: string;
  readonly passwordHash: string;
};
export type UserFollowed = { readonly type: 'UserFollowed'; readonly followeeId: UserId };
export type UserUnfollowed = { readonly type: 'UserUnfollowed'; readonly followeeId: UserId };
export type PostCreated = {
  readonly type: 'PostCreated';
  readonly postId: PostId;
  readonly text: string;
  readonly inReplyTo?: { readonly postId: PostId; readonly authorId: UserId };
};
export type PostDeleted = { readonly type: 'PostDeleted'; readonly postId: PostId };
/** A command that was accepted and changed nothing; kept so that its id is remembered. */
export type CommandNoted = { readonly type: 'CommandNoted' };
export type RunStarted = { readonly type: 'RunStarted'; readonly runId: RunId; readonly label: string };
/** `endedAt`: milliseconds since the epoch; earlier than the event when a later start closed a silent run. */
export type RunEnded = { readonly type: 'RunEnded'; readonly runId: RunId; readonly endedAt: number };

export type UserEvent = UserRegistered | UserFollowed | UserUnfollowed | PostCreated | PostDeleted | CommandNoted;
export type RunEvent = RunStarted | RunEnded;
export type DomainEvent = UserEvent | RunEvent;
export type EventType = DomainEvent['type'];

/** What an actor must know to recognise a command that comes again; one per commit, since one command makes one commit. */
export interface CommandMetadata {
  readonly commandId: CommandId;
  /** A hash of what the command wanted, without secrets: the same id with another fingerprint is a misuse. */
  readonly fingerprint: string;
}

import type { DomainEvent, EventType } from './event-types.ts';
import type {
  CommandNoted,
  PostCreated,
  PostDeleted,
  RunEnded,
  RunStarted,
  UserFollowed,
  UserRegistered,
  UserUnfollowed,
} from './event-types.ts';
import type { Handle, PostId, RunId, UserId } from './ids.ts';

/** How the newest shape of an event stands in the log: an array of its fields, in an order that never changes. */
export interface EventSchema<Event extends DomainEvent, Fields extends readonly unknown[]> {
  /** Raised with each change of the shape, together with an upcaster from the one before. */
  readonly version: number;
  /** Fields that say something about a person: they will be encrypted with a key per user, so that who loses the key is forgotten. */
  readonly personal: readonly Exclude<keyof Event, 'type'>[];
  toFields(event: Event): Fields;
  /** A cheap check that the fields can be what `toFields` made; what ids and handles look like was checked when they were made. */
  fits(fields: readonly unknown[]): boolean;
  fromFields(fields: Fields): Event;
}

const userRegistered: EventSchema<UserRegistered, readonly [Handle, string, string]> = {
  version: 1,
  personal: ['name', 'passwordHash'],
  toFields: (event) => [event.handle, event.name, event.passwordHash],
  fits: ([handle, name, passwordHash, ...rest]) => isId(handle) && isText(name) && isText(passwordHash) && rest.length === 0,
  fromFields: ([handle, name, passwordHash]) => ({ type: 'UserRegistered', handle, name, passwordHash }),
};

const userFollowed: EventSchema<UserFollowed, readonly [UserId]> = {
  version: 1,
  personal: [],
  toFields: (event) => [event.followeeId],
  fits: isOneId,
  fromFields: ([followeeId]) => ({ type: 'UserFollowed', followeeId }),
};

const userUnfollowed: EventSchema<UserUnfollowed, readonly [UserId]> = {
  version: 1,
  personal: [],
  toFields: (event) => [event.followeeId],
  fits: isOneId,
  fromFields: ([followeeId]) => ({ type: 'UserUnfollowed', followeeId }),
};

/** The last two fields, the post that this one answers and its author, are absent for a post that answers none. */
const postCreated: EventSchema<PostCreated, readonly [PostId, string] | readonly [PostId, string, PostId, UserId]> = {
  version: 1,
  personal: ['text'],
  toFields: ({ postId, text, inReplyTo }) => (inReplyTo ? [postId, text, inReplyTo.postId, inReplyTo.authorId] : [postId, text]),
  fits: ([postId, text, ...parent]) => isId(postId) && isText(text) && (parent.length === 0 || (parent.length === 2 && parent.every(isId))),
  fromFields: ([postId, text, parentId, parentAuthorId]) =>
    parentId === undefined || parentAuthorId === undefined
      ? { type: 'PostCreated', postId, text }
      : { type: 'PostCreated', postId, text, inReplyTo: { postId: parentId, authorId: parentAuthorId } },
};

const postDeleted: EventSchema<PostDeleted, readonly [PostId]> = {
  version: 1,
  personal: [],
  toFields: (event) => [event.postId],
  fits: isOneId,
  fromFields: ([postId]) => ({ type: 'PostDeleted', postId }),
};

const commandNoted: EventSchema<CommandNoted, readonly []> = {
  version: 1,
  personal: [],
  toFields: () => [],
  fits: (fields) => fields.length === 0,
  fromFields: () => ({ type: 'CommandNoted' }),
};

const runStarted: EventSchema<RunStarted, readonly [RunId, string]> = {
  version: 1,
  personal: [],
  toFields: (event) => [event.runId, event.label],
  fits: ([runId, label, ...rest]) => isId(runId) && isText(label) && rest.length === 0,
  fromFields: ([runId, label]) => ({ type: 'RunStarted', runId, label }),
};

const runEnded: EventSchema<RunEnded, readonly [RunId, number]> = {
  version: 1,
  personal: [],
  toFields: (event) => [event.runId, event.endedAt],
  fits: ([runId, endedAt, ...rest]) => isId(runId) && Number.isFinite(endedAt) && rest.length === 0,
  fromFields: ([runId, endedAt]) => ({ type: 'RunEnded', runId, endedAt }),
};

/** Every event type has a schema, which says what is personal in it: a type that is missing here does not compile. */
export const eventSchemas = {
  UserRegistered: userRegistered,
  UserFollowed: userFollowed,
  UserUnfollowed: userUnfollowed,
  PostCreated: postCreated,
  PostDeleted: postDeleted,
  CommandNoted: commandNoted,
  RunStarted: runStarted,
  RunEnded: runEnded,
} satisfies { readonly [Type in EventType]: EventSchema<Extract<DomainEvent, { type: Type }>, readonly unknown[]> };

function isText(value: unknown): boolean {
  return typeof value === 'string';
}

function isId(value: unknown): boolean {
  return typeof value === 'string' && value !== '';
}

function isOneId(fields: readonly unknown[]): boolean {
  return fields.length === 1 && isId(fields[0]);
}

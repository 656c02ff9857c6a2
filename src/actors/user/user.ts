import type { UserEvent } from '../../events/event-types.ts';
import type { PostId, UserId } from '../../events/ids.ts';
import type { Command, CreatePost } from '../commands.ts';
import { accept, reject } from '../decision.ts';
import type { Decision } from '../decision.ts';
import { IdSet } from './id-set.ts';
import { rejectionOfPostText } from './post-text.ts';

/** What a user's decisions depend on, and nothing else: no name, no text, no password hash. Sets are made when they get their first id. */
export interface UserState {
  readonly userId: UserId;
  registered: boolean;
  followees: IdSet | undefined;
  posts: IdSet | undefined;
  /** Kept apart for ever: to delete a post again is no mistake, and its id never comes back. */
  deletedPosts: IdSet | undefined;
}

export function initial(userId: UserId): UserState {
  return { userId, registered: false, followees: undefined, posts: undefined, deletedPosts: undefined };
}

export function decide(command: Command, state: UserState): Decision {
  if (command.type === 'RegisterUser') {
    if (state.registered) return reject('handle-taken');
    return accept({ type: 'UserRegistered', handle: command.handle, name: command.name, passwordHash: command.passwordHash });
  }
  if (!state.registered) return reject('user-not-found');

  switch (command.type) {
    case 'FollowUser': {
      if (command.followeeId === state.userId) return reject('cannot-follow-self');
      if (state.followees?.has(command.followeeId)) return accept();
      return accept({ type: 'UserFollowed', followeeId: command.followeeId });
    }
    case 'UnfollowUser': {
      if (command.followeeId === state.userId) return reject('cannot-follow-self');
      if (!state.followees?.has(command.followeeId)) return accept();
      return accept({ type: 'UserUnfollowed', followeeId: command.followeeId });
    }
    case 'CreatePost': {
      const { postId, text } = command;
      const inReplyTo = command.inReplyTo && withAuthor(command.inReplyTo);
      if (inReplyTo === 'gone') return reject('post-not-found');
      const rejection = rejectionOfPostText(text);
      if (rejection !== undefined) return reject(rejection);
      // An id that derives from content (an import begun again) comes twice, even when the command itself is forgotten.
      if (wasPosted(state, postId)) return accept();
      return accept(inReplyTo === undefined ? { type: 'PostCreated', postId, text } : { type: 'PostCreated', postId, text, inReplyTo });
    }
    case 'DeletePost': {
      if (command.authorId !== state.userId) return reject('not-the-author');
      if (state.posts?.has(command.postId)) return accept({ type: 'PostDeleted', postId: command.postId });
      if (state.deletedPosts?.has(command.postId)) return accept();
      return reject('post-not-found');
    }
  }
}

/** The state after the event. It is the same object: the state that is handed in is used up, since copying it would cost more than all the rest. */
export function evolve(state: UserState, event: UserEvent): UserState {
  switch (event.type) {
    case 'UserRegistered':
      state.registered = true;
      return state;
    case 'UserFollowed':
      (state.followees ??= new IdSet()).add(event.followeeId);
      return state;
    case 'UserUnfollowed':
      state.followees?.delete(event.followeeId);
      return state;
    case 'PostCreated':
      (state.posts ??= new IdSet()).add(event.postId);
      return state;
    case 'PostDeleted':
      state.posts?.delete(event.postId);
      (state.deletedPosts ??= new IdSet()).add(event.postId);
      return state;
    case 'CommandNoted':
      return state;
  }
}

/**
 * What a command is about; undefined for all of the user. Of commands that are about different things none changes what is decided on another,
 * in whatever order they come: so they can be decided on the same state.
 */
export function topicOf(command: Command): UserId | PostId | undefined {
  switch (command.type) {
    case 'RegisterUser':
      return undefined;
    case 'FollowUser':
    case 'UnfollowUser':
      return command.followeeId;
    case 'CreatePost':
    case 'DeletePost':
      return command.postId;
  }
}

function withAuthor({ postId, authorId }: NonNullable<CreatePost['inReplyTo']>) {
  return authorId === undefined ? 'gone' : { postId, authorId };
}

function wasPosted(state: UserState, postId: PostId): boolean {
  return (state.posts?.has(postId) ?? false) || (state.deletedPosts?.has(postId) ?? false);
}

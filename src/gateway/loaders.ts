import DataLoader from 'dataloader';
import type { PostId, UserId } from '../events/ids.ts';
import { comparePositions } from '../events/position.ts';
import type { Position } from '../events/position.ts';
import type { PostRow, ReadModel, RelatedUserRow, UserRow } from '../projections/read-model.ts';
import { createPageLoader } from './page-loader.ts';
import type { PageLoader } from './page-loader.ts';

export interface Relation {
  readonly follows: boolean;
  readonly followedBy: boolean;
}

/** Many reads of one operation in few statements: what is asked for in one tick is read at once, and no row twice. */
export interface Loaders {
  readonly users: DataLoader<UserId, UserRow | null>;
  readonly posts: DataLoader<PostId, PostRow | null>;
  /** How the viewer stands to a user. Only for who is signed in. */
  readonly relations: DataLoader<UserId, Relation>;
  /** Pages of the lists that a user has. */
  readonly userTimelines: PageLoader<PostRow>;
  readonly followers: PageLoader<RelatedUserRow>;
  readonly following: PageLoader<RelatedUserRow>;
  /** Forgets what was read: a mutation has changed it. */
  clear(): void;
  /** The read model has reached a position that a field asked for: forgets what fields beside it have read, which may be older. */
  reached(position: Position): void;
}

export function createLoaders(readModel: ReadModel, viewerId: UserId | null): Loaders {
  // Most operations use none or one of them, so that each is made at its first use.
  let made: { -readonly [Name in keyof Loaders]?: Loaders[Name] } = {};
  let madeAt: Position | undefined;
  return {
    get users() {
      return (made.users ??= new DataLoader((ids) => readModel.usersById(ids)));
    },
    get posts() {
      return (made.posts ??= new DataLoader((ids) => readModel.postsById(ids)));
    },
    get relations() {
      if (viewerId === null) throw new Error('nobody is signed in, so nobody stands in any relation');
      return (made.relations ??= new DataLoader((others) => readModel.relations(viewerId, others)));
    },
    get userTimelines() {
      return (made.userTimelines ??= createPageLoader((authors, range) => readModel.userTimelines(authors, range)));
    },
    get followers() {
      return (made.followers ??= createPageLoader((users, range) => readModel.followersOf(users, range)));
    },
    get following() {
      return (made.following ??= createPageLoader((users, range) => readModel.followingOf(users, range)));
    },
    clear() {
      made = {};
    },
    reached(position) {
      // Once for each state, so that fields which ask for the same one go on to share their statements.
      if (madeAt !== undefined && comparePositions(position, madeAt) <= 0) return;
      made = {};
      madeAt = position;
    },
  };
}

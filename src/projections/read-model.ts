import type { Handle, PostId, RunId, UserId } from '../events/ids.ts';
import type { Position } from '../events/position.ts';

// What can be read: the queries that the gateway asks. Rows are plain and immutable; times are milliseconds since the epoch.

export const projectionNames = ['network', 'statistics'] as const;
export type ProjectionName = (typeof projectionNames)[number];

export interface UserRow {
  readonly id: UserId;
  readonly handle: Handle;
  readonly name: string;
  readonly bio: string;
  readonly createdAt: number;
  readonly postCount: number;
  readonly followerCount: number;
  readonly followingCount: number;
}

export interface PostRow {
  readonly id: PostId;
  readonly text: string;
  readonly createdAt: number;
  readonly position: Position;
  readonly author: UserRow;
  readonly inReplyTo: PostId | null;
}

/** A user in a list of followers or followees: `position` and `followedAt` are those of the UserFollowed event. */
export interface RelatedUserRow {
  readonly user: UserRow;
  readonly followedAt: number;
  readonly position: Position;
}

export interface RunRow {
  readonly id: RunId;
  readonly label: string;
  readonly startedAt: number;
  /** Null while it is open. */
  readonly endedAt: number | null;
  readonly position: Position;
  readonly amount: number;
  readonly elapsedSeconds: number;
  readonly byType: readonly {
    readonly type: string;
    readonly amount: number;
    readonly perSecond: number;
    readonly peakPerSecond: number;
  }[];
}

/** Part of a list that stands newest first. `after` and `before` are exclusive, in the sense of Relay: after = older. */
export interface PageRange {
  readonly after?: Position;
  readonly before?: Position;
  /** `first`: from the newest on; `last`: from the oldest on. Rows come newest first in both cases. */
  readonly take: 'first' | 'last';
  readonly count: number;
}

export interface Page<Row> {
  readonly rows: readonly Row[];
  readonly hasNextPage: boolean;
  readonly hasPreviousPage: boolean;
  /** The state that the page was read at, from the same snapshot; null before the first event. */
  readonly position: Position | null;
}

export interface PostsAsOf {
  readonly position: Position | null;
  readonly posts: readonly (PostRow | null)[];
}

/** What a live subscription starts from, read in one snapshot (see "hand-over" in gateway/live). */
export interface HandOver {
  /** R: the position of the read model in this snapshot. */
  readonly position: Position | null;
  readonly followees: readonly UserId[];
  /** Entries after the cursor up to R, oldest first; at most `limit + 1`, so that the caller sees when it is too many. */
  readonly entries: readonly PostRow[];
}

export interface ReadModel {
  /** The checkpoint of a projection: every event up to it is applied; null before the first. */
  position(projection: ProjectionName): Promise<Position | null>;

  usersById(ids: readonly UserId[]): Promise<(UserRow | null)[]>;
  userByHandle(handle: Handle): Promise<UserRow | null>;
  /** The password hash of a user, for log-in alone. */
  credentials(handle: Handle): Promise<{ readonly userId: UserId; readonly passwordHash: string } | null>;
  postsById(ids: readonly PostId[]): Promise<(PostRow | null)[]>;
  /** With the position of that snapshot: whoever knows that a post is there by then can tell "gone" from "not yet again", after a crash of the database. */
  postsAsOf(ids: readonly PostId[]): Promise<PostsAsOf>;
  /** For each of `others`: does `viewer` follow them, do they follow `viewer`? */
  relations(viewer: UserId, others: readonly UserId[]): Promise<{ readonly follows: boolean; readonly followedBy: boolean }[]>;

  homeTimeline(viewer: UserId, range: PageRange): Promise<Page<PostRow>>;
  publicTimeline(range: PageRange): Promise<Page<PostRow>>;
  userTimeline(author: UserId, range: PageRange): Promise<Page<PostRow>>;
  followers(user: UserId, range: PageRange): Promise<Page<RelatedUserRow>>;
  following(user: UserId, range: PageRange): Promise<Page<RelatedUserRow>>;
  /** The same range of the lists of many users, in their order, from one snapshot. */
  userTimelines(authors: readonly UserId[], range: PageRange): Promise<Page<PostRow>[]>;
  followersOf(users: readonly UserId[], range: PageRange): Promise<Page<RelatedUserRow>[]>;
  followingOf(users: readonly UserId[], range: PageRange): Promise<Page<RelatedUserRow>[]>;

  /** Over all runs. */
  statistics(): Promise<{ readonly amount: number; readonly elapsedSeconds: number; readonly position: Position | null }>;
  runs(range: PageRange): Promise<Page<RunRow>>;
  runsById(ids: readonly RunId[]): Promise<(RunRow | null)[]>;

  /** One REPEATABLE READ snapshot. `after` undefined: no entries. */
  homeHandOver(viewer: UserId, after: Position | undefined, limit: number): Promise<HandOver>;
  userHandOver(author: UserId, after: Position | undefined, limit: number): Promise<HandOver>;
}

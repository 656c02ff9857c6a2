import type { LogId } from '../events/ids.ts';
import { findCheckpoint } from './checkpoints.ts';
import type { Database } from './database.ts';
import { findCredentials } from './network/queries/find-credentials.ts';
import { findPostsAsOf, findPostsById } from './network/queries/find-posts.ts';
import { findRelations } from './network/queries/find-relations.ts';
import { findUserByHandle, findUsersById } from './network/queries/find-users.ts';
import { readHomeHandOver, readUserHandOver } from './network/queries/hand-over.ts';
import { readHomeTimeline } from './network/queries/home-timeline.ts';
import { readPublicTimeline } from './network/queries/public-timeline.ts';
import { readRelated } from './network/queries/related-users.ts';
import { readUserTimelines } from './network/queries/user-timeline.ts';
import { positionOrNull } from './places.ts';
import type { ReadModel } from './read-model.ts';
import { findRunsById, readRuns } from './statistics/queries/read-runs.ts';
import { readTotals } from './statistics/queries/read-totals.ts';

/** Each method is one statement, so that it is one snapshot. @throws {DatabaseUnavailable} from all of them. */
export function createReadModel(database: Database, logId: LogId): ReadModel {
  return {
    position: async (projection) => positionOrNull(logId, (await findCheckpoint(database, projection))?.place ?? null),
    usersById: (ids) => findUsersById(database, ids),
    userByHandle: (handle) => findUserByHandle(database, handle),
    credentials: (handle) => findCredentials(database, handle),
    postsById: (ids) => findPostsById(database, logId, ids),
    postsAsOf: (ids) => findPostsAsOf(database, logId, ids),
    relations: (viewer, others) => findRelations(database, viewer, others),
    homeTimeline: (viewer, range) => readHomeTimeline(database, logId, viewer, range),
    publicTimeline: (range) => readPublicTimeline(database, logId, range),
    userTimeline: async (author, range) => (await readUserTimelines(database, logId, [author], range))[0]!,
    followers: async (user, range) => (await readRelated(database, logId, 'followers', [user], range))[0]!,
    following: async (user, range) => (await readRelated(database, logId, 'following', [user], range))[0]!,
    userTimelines: (authors, range) => readUserTimelines(database, logId, authors, range),
    followersOf: (users, range) => readRelated(database, logId, 'followers', users, range),
    followingOf: (users, range) => readRelated(database, logId, 'following', users, range),
    statistics: () => readTotals(database, logId),
    runs: (range) => readRuns(database, logId, range),
    runsById: (ids) => findRunsById(database, logId, ids),
    homeHandOver: (viewer, after, limit) => readHomeHandOver(database, logId, viewer, after, limit),
    userHandOver: (author, after, limit) => readUserHandOver(database, logId, author, after, limit),
  };
}

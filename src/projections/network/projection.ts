import { readFileSync } from 'node:fs';
import type { Projection } from '../projection.ts';
import { foldNetwork } from './fold.ts';
import { afterLoadingNetwork, loadNetwork } from './load.ts';
import { createPosts } from './writes/create-posts.ts';
import { deletePosts } from './writes/delete-posts.ts';
import { follow } from './writes/follow.ts';
import { registerUsers } from './writes/register-users.ts';
import { unfollow } from './writes/unfollow.ts';

/** Users, the graph between them, and posts: what timelines join, so one projection and one checkpoint. */
export const networkProjection: Projection = {
  name: 'network',
  version: 1,
  tables: ['users', 'follows', 'posts'],
  tablesSql: readFileSync(new URL('schema.sql', import.meta.url), 'utf8'),
  indexesSql: readFileSync(new URL('indexes.sql', import.meta.url), 'utf8'),
  loadingSql: readFileSync(new URL('loading.sql', import.meta.url), 'utf8'),
  write: async (session, schema, commits) => {
    const changes = foldNetwork(commits);
    if (changes.registered.length > 0) await session.query(registerUsers(schema, changes.registered));
    if (changes.unfollowed.length > 0) await session.query(unfollow(schema, changes.unfollowed));
    if (changes.followed.length > 0) await session.query(follow(schema, changes.followed));
    if (changes.created.length > 0) await session.query(createPosts(schema, changes.created));
    if (changes.deleted.length > 0) await session.query(deletePosts(schema, changes.deleted));
  },
  startLoad: loadNetwork,
  afterLoad: afterLoadingNetwork,
};

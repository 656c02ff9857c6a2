import type { PostRow, RunRow, UserRow } from '../../projections/read-model.ts';
import type { Resolvers } from '../schema.ts';
import { accountMutations, accountPayloads } from './accounts.ts';
import { cluster } from './cluster.ts';
import { followMutations, followPayloads } from './follows.ts';
import { postMutations, postPayloads } from './posts.ts';
import { query } from './query.ts';
import { statistics } from './statistics.ts';
import { user } from './user.ts';

export const resolvers: Resolvers = {
  Query: { ...query, ...cluster.Query },
  Mutation: { ...accountMutations, ...postMutations, ...followMutations },
  User: user,
  Cluster: cluster.Cluster,
  ...statistics,
  ...accountPayloads,
  ...postPayloads,
  ...followPayloads,
};

/** Rows of the read model are the nodes themselves; each kind has a property that no other has. */
export function typeOfNode(row: UserRow | PostRow | RunRow): string {
  if ('handle' in row) return 'User';
  return 'text' in row ? 'Post' : 'Run';
}

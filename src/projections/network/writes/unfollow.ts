import { plainArray } from '../../array-literals.ts';
import type { Statement } from '../../database.ts';
import { inSchema } from '../../projection.ts';
import type { SchemaName } from '../../projection.ts';
import type { NetworkChanges } from '../fold.ts';
import { countingFollows } from './counting.ts';

export function unfollow(schema: SchemaName, unfollowed: NetworkChanges['unfollowed']): Statement {
  return {
    name: `${schema} unfollow`,
    text: inSchema(countingFollows(deleting, -1), schema),
    values: [plainArray(unfollowed.map(({ follower }) => follower)), plainArray(unfollowed.map(({ followee }) => followee))],
  };
}

const deleting = `
  delete from schema.follows using unnest($1::uuid[], $2::uuid[]) as gone (follower, followee)
  where follows.follower = gone.follower and follows.followee = gone.followee`;

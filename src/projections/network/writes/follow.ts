import { plainArray } from '../../array-literals.ts';
import type { Statement } from '../../database.ts';
import { inSchema } from '../../projection.ts';
import type { SchemaName } from '../../projection.ts';
import type { NetworkChanges } from '../fold.ts';
import { countingFollows } from './counting.ts';

export function follow(schema: SchemaName, followed: NetworkChanges['followed']): Statement {
  return {
    name: `${schema} follow`,
    text: inSchema(countingFollows(inserting, 1), schema),
    values: [
      plainArray(followed.map(({ follower }) => follower)),
      plainArray(followed.map(({ followee }) => followee)),
      plainArray(followed.map(({ place }) => place)),
      plainArray(followed.map(({ time }) => time)),
    ],
  };
}

const inserting = `
  insert into schema.follows (follower, followee, place, followed_at)
  select * from unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[])
  on conflict (follower, followee) do nothing`;

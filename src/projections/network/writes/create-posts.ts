import { plainArray, textArray } from '../../array-literals.ts';
import type { Statement } from '../../database.ts';
import { inSchema } from '../../projection.ts';
import type { SchemaName } from '../../projection.ts';
import type { NetworkChanges } from '../fold.ts';
import { countingPosts } from './counting.ts';

export function createPosts(schema: SchemaName, created: NetworkChanges['created']): Statement {
  return {
    name: `${schema} create-posts`,
    text: inSchema(countingPosts(inserting, 1), schema),
    values: [
      plainArray(created.map(({ event }) => event.postId)),
      plainArray(created.map(({ author }) => author)),
      plainArray(created.map(({ place }) => place)),
      plainArray(created.map(({ time }) => time)),
      plainArray(created.map(({ event }) => event.inReplyTo?.postId ?? null)),
      textArray(created.map(({ event }) => event.text)),
    ],
  };
}

const inserting = `
  insert into schema.posts (id, author_id, place, created_at, in_reply_to, text)
  select * from unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[], $5::uuid[], $6::text[])
  on conflict (id) do nothing`;

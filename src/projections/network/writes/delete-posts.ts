import { plainArray } from '../../array-literals.ts';
import type { Statement } from '../../database.ts';
import { inSchema } from '../../projection.ts';
import type { SchemaName } from '../../projection.ts';
import type { NetworkChanges } from '../fold.ts';
import { countingPosts } from './counting.ts';

export function deletePosts(schema: SchemaName, deleted: NetworkChanges['deleted']): Statement {
  return {
    name: `${schema} delete-posts`,
    text: inSchema(countingPosts(deleting, -1), schema),
    values: [plainArray(deleted.map(({ postId }) => postId)), plainArray(deleted.map(({ author }) => author))],
  };
}

const deleting = `
  delete from schema.posts using unnest($1::uuid[], $2::uuid[]) as gone (id, author_id)
  where posts.id = gone.id and posts.author_id = gone.author_id`;

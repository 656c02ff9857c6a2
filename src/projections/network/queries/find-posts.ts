import type { LogId, PostId } from '../../../events/ids.ts';
import { plainArray } from '../../array-literals.ts';
import type { Session } from '../../database.ts';
import type { PostRow, PostsAsOf } from '../../read-model.ts';
import { positionOrNull } from '../../places.ts';
import { postColumns, postRow } from './rows.ts';
import type { PostColumns } from './rows.ts';

/** In the order asked for, with their authors; null for what is not there. */
export async function findPostsById(session: Session, logId: LogId, ids: readonly PostId[]): Promise<(PostRow | null)[]> {
  if (ids.length === 0) return [];
  const found = await session.query<PostColumns>({
    name: 'posts-by-id',
    text: `select ${postColumns} from network.posts post join network.users on users.id = post.author_id where post.id = any($1::uuid[])`,
    values: [plainArray(ids)],
  });
  const byId = new Map(found.map((columns) => [columns.post_id, postRow(logId, columns)]));
  return ids.map((id) => byId.get(id) ?? null);
}

/** The same, with the position that they were read at. */
export async function findPostsAsOf(session: Session, logId: LogId, ids: readonly PostId[]): Promise<PostsAsOf> {
  const found = await session.query<Partial<PostColumns> & { read_at: string | null }>({
    name: 'posts-as-of',
    text: `
      select always.read_at, rows.*
      from (select (select place from starling.checkpoints where projection = 'network') as read_at) always
      left join (
        select ${postColumns} from network.posts post join network.users on users.id = post.author_id where post.id = any($1::uuid[])
      ) rows on true`,
    values: [plainArray(ids)],
  });
  const there = found.filter((columns): columns is PostColumns & { read_at: string | null } => Boolean(columns.post_id));
  const byId = new Map(there.map((columns) => [columns.post_id, postRow(logId, columns)]));
  return { position: positionOrNull(logId, found[0]?.read_at ?? null), posts: ids.map((id) => byId.get(id) ?? null) };
}

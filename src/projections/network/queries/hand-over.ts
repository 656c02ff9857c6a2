import type { LogId, UserId } from '../../../events/ids.ts';
import type { Position } from '../../../events/position.ts';
import type { Session } from '../../database.ts';
import { placeText, positionOrNull } from '../../places.ts';
import type { HandOver } from '../../read-model.ts';
import { postColumns, postRow } from './rows.ts';
import type { PostColumns } from './rows.ts';

/** What a subscription to a home timeline starts from; one statement, so one snapshot. */
export async function readHomeHandOver(
  session: Session,
  logId: LogId,
  viewer: UserId,
  after: Position | undefined,
  limit: number,
): Promise<HandOver> {
  const followees = `(select string_agg(followee::text, ',') from network.follows where follower = $1)`;
  if (after === undefined) return read(session, logId, { name: 'home-hand-over', followees, values: [viewer] });
  const entries = `
    select newest.place from (select $1::uuid as id union all select followee from network.follows where follower = $1) authors
    cross join lateral (select place from network.posts where author_id = authors.id and place > $2 order by place limit $3) newest
    order by newest.place limit $3`;
  return read(session, logId, { name: 'home-hand-over after', followees, entries, values: [viewer, placeText(after), limit + 1] });
}

/** The same for the timeline of one user. */
export async function readUserHandOver(
  session: Session,
  logId: LogId,
  author: UserId,
  after: Position | undefined,
  limit: number,
): Promise<HandOver> {
  if (after === undefined) return read(session, logId, { name: 'user-hand-over', followees: 'null', values: [] });
  const entries = 'select place from network.posts where author_id = $1 and place > $2 order by place limit $3';
  return read(session, logId, { name: 'user-hand-over after', followees: 'null', entries, values: [author, placeText(after), limit + 1] });
}

async function read(
  session: Session,
  logId: LogId,
  parts: { name: string; followees: string; entries?: string; values: readonly unknown[] },
): Promise<HandOver> {
  const rows = parts.entries
    ? `left join (
        select ${postColumns} from (${parts.entries}) entry join network.posts post on post.place = entry.place join network.users on users.id = post.author_id
      ) rows on true order by rows.place`
    : '';
  const found = await session.query<PostColumns & { read_at: string | null; followees: string | null }>({
    name: parts.name,
    text: `
      select always.*${parts.entries ? ', rows.*' : ''}
      from (select (select place from starling.checkpoints where projection = 'network') as read_at, ${parts.followees} as followees) always ${rows}`,
    values: parts.values,
  });
  return {
    position: positionOrNull(logId, found[0]?.read_at ?? null),
    followees: (found[0]?.followees?.split(',') ?? []) as UserId[],
    entries: parts.entries ? found.filter(({ place }) => place !== null).map((columns) => postRow(logId, columns)) : [],
  };
}

import type { LogId, UserId } from '../../../events/ids.ts';
import { positionOf } from '../../../events/position.ts';
import type { Session } from '../../database.ts';
import type { Page, PageRange, RelatedUserRow } from '../../read-model.ts';
import { readPagesOfMany } from './pages-of-many.ts';
import { userColumns, userRow } from './rows.ts';
import type { UserColumns } from './rows.ts';

/** Who follows each of `users` (`followers`), or whom each of them follows (`following`); the follow that came last stands first. */
export function readRelated(
  session: Session,
  logId: LogId,
  kind: 'followers' | 'following',
  users: readonly UserId[],
  range: PageRange,
): Promise<Page<RelatedUserRow>[]> {
  const [own, other] = kind === 'followers' ? ['followee', 'follower'] : ['follower', 'followee'];
  return readPagesOfMany<UserColumns & { followed_at: string }, RelatedUserRow>(
    session,
    logId,
    users,
    {
      name: kind,
      page: ({ direction, limit }) => `
        select ${other} as other, place, followed_at from network.follows
        where ${own} = owner.id and place < $1 and place > $2 order by place ${direction} limit ${limit}`,
      exists: (condition) => `exists (select from network.follows where ${own} = owner.id and place ${condition})`,
      columns: `page.place, page.followed_at, ${userColumns}`,
      joins: 'page join network.users on users.id = page.other',
      toRow: (columns) => ({
        user: userRow(columns),
        followedAt: Number(columns.followed_at),
        position: positionOf(logId, columns.place),
      }),
    },
    range,
  );
}

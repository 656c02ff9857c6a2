import type { LogId, UserId } from '../../../events/ids.ts';
import type { Session } from '../../database.ts';
import type { Page, PageRange, PostRow } from '../../read-model.ts';
import { readPagesOfMany } from './pages-of-many.ts';
import { postColumns, postRow } from './rows.ts';
import type { PostColumns } from './rows.ts';

/** The timelines of many authors, in their order. */
export function readUserTimelines(session: Session, logId: LogId, authors: readonly UserId[], range: PageRange): Promise<Page<PostRow>[]> {
  return readPagesOfMany<PostColumns, PostRow>(
    session,
    logId,
    authors,
    {
      name: 'user-timelines',
      page: ({ direction, limit }) =>
        `select * from network.posts where author_id = owner.id and place < $1 and place > $2 order by place ${direction} limit ${limit}`,
      exists: (condition) => `exists (select from network.posts where author_id = owner.id and place ${condition})`,
      columns: postColumns,
      joins: 'post join network.users on users.id = post.author_id',
      toRow: (columns) => postRow(logId, columns),
    },
    range,
  );
}

import type { LogId } from '../../../events/ids.ts';
import type { Session } from '../../database.ts';
import { pageOf, pageSql, pageStatement } from '../../pages.ts';
import type { PageColumns, PageSql } from '../../pages.ts';
import type { Page, PageRange, PostRow } from '../../read-model.ts';
import { postColumns, postRow } from './rows.ts';
import type { PostColumns } from './rows.ts';

/** A list of posts: SQL that takes `$1` and `$2` as exclusive bounds of places, and `values` from `$3` on. */
export interface PostList {
  readonly name: string;
  readonly values: readonly unknown[];
  /** SQL of common table expressions that the others use, each closed by a comma. */
  readonly before?: string;
  readonly page: (sql: PageSql) => string;
  readonly exists: (condition: string) => string;
}

/** A page of posts with their authors in one statement. */
export async function readPostPage(session: Session, logId: LogId, list: PostList, range: PageRange): Promise<Page<PostRow>> {
  const sql = pageSql(range);
  const found = await session.query<PostColumns & PageColumns>({
    name: `${list.name} ${sql.variant}`,
    text: pageStatement(sql, {
      checkpoint: 'network',
      exists: list.exists,
      upper: '$1',
      lower: '$2',
      ...(list.before !== undefined && { before: list.before }),
      page: list.page(sql),
      columns: postColumns,
      joins: 'post join network.users on users.id = post.author_id',
    }),
    values: [...sql.bounds, ...list.values],
  });
  return pageOf(logId, range, found, (columns) => postRow(logId, columns));
}

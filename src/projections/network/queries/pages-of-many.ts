import type { LogId, UserId } from '../../../events/ids.ts';
import { plainArray } from '../../array-literals.ts';
import type { Session } from '../../database.ts';
import { pageOf, pageSql } from '../../pages.ts';
import type { PageColumns, PageSql } from '../../pages.ts';
import type { Page, PageRange } from '../../read-model.ts';

/** A list that each user has one of: SQL in which `owner.id` is the user, and `$1` and `$2` are the exclusive bounds of places. */
export interface OwnedList<Found, Row> {
  readonly name: string;
  readonly page: (sql: PageSql) => string;
  readonly exists: (condition: string) => string;
  readonly columns: string;
  /** An alias for the rows of `page`, and what is joined to them. */
  readonly joins: string;
  readonly toRow: (found: Found & { readonly place: string }) => Row;
}

/** The same range of the lists of many users, in one statement and so in one snapshot; in the order of `owners`. */
export async function readPagesOfMany<Found extends object, Row>(
  session: Session,
  logId: LogId,
  owners: readonly UserId[],
  list: OwnedList<Found, Row>,
  range: PageRange,
): Promise<Page<Row>[]> {
  if (owners.length === 0) return [];
  const sql = pageSql(range);
  const found = await session.query<Found & PageColumns & { number: string }>({
    name: `${list.name} ${sql.variant}`,
    text: `
      select
        owner.number,
        (select place from starling.checkpoints where projection = 'network') as read_at,
        ${sql.newerOutside(list.exists, '$1')} as newer_outside,
        ${sql.olderOutside(list.exists, '$2')} as older_outside,
        rows.*
      from unnest($3::uuid[]) with ordinality as owner (id, number)
      left join lateral (select ${list.columns} from (${list.page(sql)}) ${list.joins}) rows on true
      order by owner.number, rows.place ${sql.direction}`,
    values: [...sql.bounds, plainArray(owners)],
  });
  const byOwner = owners.map((): (Found & PageColumns)[] => []);
  for (const columns of found) byOwner[Number(columns.number) - 1]!.push(columns);
  // Whatever gets to `toRow` has a place: `pageOf` leaves out the row that stands for an empty page.
  return byOwner.map((columns) => pageOf(logId, range, columns, (present) => list.toRow(present as Found & { place: string })));
}

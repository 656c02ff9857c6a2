import { limits } from '../limits.ts';
import type { LogId } from '../events/ids.ts';
import { placeText, positionOrNull } from './places.ts';
import type { Page, PageRange } from './read-model.ts';

// Pages of lists that stand newest first, by place. SQL gets both bounds always; what else differs between ranges is in the text, so that each
// variant is planned for itself: the direction, the number of rows in three sizes, and whether to look beyond a bound.

const beyondAll = '9223372036854775807';
const beforeAll = '-1';
const rowsRead = [6, 21, limits.pageSizeMax + 1] as const;

export interface PageSql {
  /** Part of the name of the prepared statement. */
  readonly variant: string;
  readonly direction: 'desc' | 'asc';
  /** At least one more than the page holds, to see whether there are more. */
  readonly limit: number;
  /** Values of the exclusive bounds: places below the first and above the second. */
  readonly bounds: readonly [string, string];
  /** SQL of a boolean: does the list go on beyond a bound? `exists` makes SQL that asks whether the list has an entry whose place fulfils a condition. */
  readonly newerOutside: (exists: (condition: string) => string, bound: string) => string;
  readonly olderOutside: (exists: (condition: string) => string, bound: string) => string;
}

export function pageSql(range: PageRange): PageSql {
  const limit = rowsRead.find((rows) => rows > range.count) ?? range.count + 1;
  return {
    variant: `${range.take} ${limit}${range.after ? ' after' : ''}${range.before ? ' before' : ''}`,
    direction: range.take === 'first' ? 'desc' : 'asc',
    limit,
    bounds: [range.after ? placeText(range.after) : beyondAll, range.before ? placeText(range.before) : beforeAll],
    newerOutside: (exists, bound) => (range.after ? exists(`>= ${bound}`) : 'false'),
    olderOutside: (exists, bound) => (range.before ? exists(`<= ${bound}`) : 'false'),
  };
}

/** Columns that every row of a page carries; the statement returns one row without the others (`place` null) for an empty page. */
export interface PageColumns {
  readonly read_at: string | null;
  readonly newer_outside: boolean;
  readonly older_outside: boolean;
  readonly place: string | null;
}

/** `found`: in the direction of the statement, as many as there were up to its limit. */
export function pageOf<Found extends PageColumns, Row>(
  logId: LogId,
  range: PageRange,
  found: readonly Found[],
  toRow: (found: Found) => Row,
): Page<Row> {
  const first = found[0];
  const present = found.filter(({ place }) => place !== null);
  const more = present.length > range.count;
  const kept = present.slice(0, range.count);
  if (range.take === 'last') kept.reverse();
  const newer = first?.newer_outside ?? false;
  const older = first?.older_outside ?? false;
  return {
    rows: kept.map(toRow),
    hasNextPage: range.take === 'first' ? more || older : older,
    hasPreviousPage: range.take === 'first' ? newer : more || newer,
    position: positionOrNull(logId, first?.read_at ?? null),
  };
}

/**
 * A whole page and the checkpoint that it was read at, in one statement and so in one snapshot.
 * `page`: SQL of the rows with their `place`; `columns` and `joins`: what each row gets besides.
 */
export function pageStatement(
  sql: PageSql,
  parts: {
    checkpoint: string;
    exists: (condition: string) => string;
    upper: string;
    lower: string;
    before?: string;
    page: string;
    columns: string;
    joins: string;
  },
): string {
  return `
    with ${parts.before ?? ''} page as materialized (${parts.page})
    select
      (select place from starling.checkpoints where projection = '${parts.checkpoint}') as read_at,
      ${sql.newerOutside(parts.exists, parts.upper)} as newer_outside,
      ${sql.olderOutside(parts.exists, parts.lower)} as older_outside,
      rows.*
    from (values (1)) as always left join (select ${parts.columns} from page ${parts.joins}) rows on true
    order by rows.place ${sql.direction}`;
}

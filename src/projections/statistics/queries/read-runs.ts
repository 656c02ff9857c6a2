import type { LogId, RunId } from '../../../events/ids.ts';
import { plainArray } from '../../array-literals.ts';
import type { Session } from '../../database.ts';
import { pageOf, pageSql, pageStatement } from '../../pages.ts';
import type { PageColumns } from '../../pages.ts';
import type { Page, PageRange, RunRow } from '../../read-model.ts';
import { runColumns, runRow } from './rows.ts';
import type { RunColumns } from './rows.ts';

/** The run that started last stands first. */
export async function readRuns(session: Session, logId: LogId, range: PageRange): Promise<Page<RunRow>> {
  const sql = pageSql(range);
  const found = await session.query<RunColumns & PageColumns & { place: string }>({
    name: `runs ${sql.variant}`,
    text: pageStatement(sql, {
      checkpoint: 'statistics',
      exists: (condition) => `exists (select from statistics.runs where place ${condition})`,
      upper: '$1',
      lower: '$2',
      page: `select * from statistics.runs where place < $1 and place > $2 order by place ${sql.direction} limit ${sql.limit}`,
      columns: runColumns,
      joins: 'run',
    }),
    values: sql.bounds,
  });
  return pageOf(logId, range, found, (columns) => runRow(logId, columns));
}

/** In the order asked for; null for what is not there. */
export async function findRunsById(session: Session, logId: LogId, ids: readonly RunId[]): Promise<(RunRow | null)[]> {
  if (ids.length === 0) return [];
  const found = await session.query<RunColumns>({
    name: 'runs-by-id',
    text: `select ${runColumns} from statistics.runs run where run.id = any($1::uuid[])`,
    values: [plainArray(ids)],
  });
  const byId = new Map(found.map((columns) => [columns.id, runRow(logId, columns)]));
  return ids.map((id) => byId.get(id) ?? null);
}

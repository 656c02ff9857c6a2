import type { Session } from '../database.ts';
import type { SchemaName } from '../projection.ts';

/** Rows of one table: how many, and a sum of hashes of whole rows that no order changes. */
export interface TableDigest {
  readonly table: string;
  readonly rows: number;
  readonly digest: string;
}

/** In one snapshot where `session` has one. Hashes are 64 bits wide, their sum is exact: rows that differ are not found with a chance of 1 in 10^19. */
export async function digestTable(session: Session, schema: SchemaName, table: string): Promise<TableDigest> {
  const [found] = await session.query<{ rows: string; digest: string }>({
    text: `select count(*) as rows, coalesce(sum(hash_record_extended(whole, 0)), 0)::text as digest from ${schema}.${table} whole`,
  });
  return { table, rows: Number(found!.rows), digest: found!.digest };
}

export interface TableComparison {
  readonly table: string;
  readonly liveRows: number;
  readonly rebuiltRows: number;
  readonly equal: boolean;
}

export function compareDigests(live: readonly TableDigest[], rebuilt: readonly TableDigest[]): TableComparison[] {
  return live.map((before, index) => {
    const after = rebuilt[index]!;
    return {
      table: before.table,
      liveRows: before.rows,
      rebuiltRows: after.rows,
      equal: before.rows === after.rows && before.digest === after.digest,
    };
  });
}

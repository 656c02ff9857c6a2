import { plainArray } from '../../array-literals.ts';
import type { Statement } from '../../database.ts';
import { inSchema } from '../../projection.ts';
import type { SchemaName } from '../../projection.ts';
import type { StatisticsChanges } from '../fold.ts';

/** The first end of a run holds. */
export function endRuns(schema: SchemaName, ended: StatisticsChanges['ended']): Statement {
  return {
    text: inSchema(updating, schema),
    values: [plainArray(ended.map(({ id }) => id)), plainArray(ended.map(({ endedAt }) => endedAt))],
  };
}

const updating = `
  update schema.runs set ended_at = ended.at
  from (select id, min(at) as at from unnest($1::uuid[], $2::bigint[]) as each_end (id, at) group by 1) ended
  where runs.id = ended.id and runs.ended_at is null`;

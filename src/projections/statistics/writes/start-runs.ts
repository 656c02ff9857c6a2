import { plainArray, textArray } from '../../array-literals.ts';
import type { Statement } from '../../database.ts';
import { inSchema } from '../../projection.ts';
import type { SchemaName } from '../../projection.ts';
import type { StatisticsChanges } from '../fold.ts';

export function startRuns(schema: SchemaName, started: StatisticsChanges['started']): Statement {
  return {
    text: inSchema(inserting, schema),
    values: [
      plainArray(started.map(({ id }) => id)),
      plainArray(started.map(({ place }) => place)),
      plainArray(started.map(({ time }) => time)),
      textArray(started.map(({ label }) => label)),
    ],
  };
}

const inserting = `
  insert into schema.runs (id, place, started_at, label)
  select * from unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::text[])
  on conflict (id) do nothing`;

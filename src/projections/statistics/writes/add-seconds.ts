import { plainArray } from '../../array-literals.ts';
import type { Statement } from '../../database.ts';
import { inSchema } from '../../projection.ts';
import type { SchemaName } from '../../projection.ts';
import type { StatisticsChanges } from '../fold.ts';

/** While loading: what one batch adds to each second, as rows to be summed up by `summingUp`. */
export function addSeconds(schema: SchemaName, counted: StatisticsChanges['counted']): Statement {
  return {
    name: `${schema} add-seconds`,
    text: inSchema(
      'insert into schema.loaded_seconds select * from unnest($1::uuid[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[])',
      schema,
    ),
    values: rowsOf(counted),
  };
}

/** Columns: run, second, type, amount, place of the last event. */
export function rowsOf(counted: StatisticsChanges['counted']): string[] {
  return [
    plainArray(counted.map(({ run }) => run)),
    plainArray(counted.map(({ second }) => second)),
    plainArray(counted.map(({ type }) => type)),
    plainArray(counted.map(({ places }) => places.length)),
    plainArray(counted.map(({ places }) => places.at(-1)!)),
  ];
}

export const summingUp = [
  `insert into schema.seconds (run_id, second, type, amount, place)
   select run_id, second, type, sum(amount), max(place) from schema.loaded_seconds group by 1, 2, 3`,
  'insert into schema.types (run_id, type, amount, peak) select run_id, type, sum(amount), max(amount) from schema.seconds group by 1, 2',
  'drop table schema.loaded_seconds',
];

import { plainArray } from '../../array-literals.ts';
import type { Statement } from '../../database.ts';
import { inSchema } from '../../projection.ts';
import type { SchemaName } from '../../projection.ts';
import type { StatisticsChanges } from '../fold.ts';

/** While loading: what one batch adds to each second, as rows to be summed up by `summingUp`. */
export function addSeconds(schema: SchemaName, counted: StatisticsChanges['counted']): Statement {
  const sums = new Map<string, { run: string; second: number; type: string; amount: number; place: number }>();
  // Most events are like the one before them.
  let sum: { run: string; second: number; type: string; amount: number; place: number } | undefined;
  for (const { run, second, type, place } of counted) {
    if (sum === undefined || sum.second !== second || sum.type !== type || sum.run !== run) {
      const key = `${run} ${second} ${type}`;
      sum = sums.get(key) ?? { run, second, type, amount: 0, place };
      sums.set(key, sum);
    }
    sum.amount += 1;
    sum.place = place;
  }
  const rows = [...sums.values()];
  return {
    name: `${schema} add-seconds`,
    text: inSchema(
      'insert into schema.loaded_seconds select * from unnest($1::uuid[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[])',
      schema,
    ),
    values: [
      plainArray(rows.map(({ run }) => run)),
      plainArray(rows.map(({ second }) => second)),
      plainArray(rows.map(({ type }) => type)),
      plainArray(rows.map(({ amount }) => amount)),
      plainArray(rows.map(({ place }) => place)),
    ],
  };
}

export const summingUp = [
  `insert into schema.seconds (run_id, second, type, amount, place)
   select run_id, second, type, sum(amount), max(place) from schema.loaded_seconds group by 1, 2, 3`,
  'insert into schema.types (run_id, type, amount, peak) select run_id, type, sum(amount), max(amount) from schema.seconds group by 1, 2',
  'drop table schema.loaded_seconds',
];

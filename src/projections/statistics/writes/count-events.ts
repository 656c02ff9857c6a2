import { plainArray } from '../../array-literals.ts';
import type { Statement } from '../../database.ts';
import { inSchema } from '../../projection.ts';
import type { SchemaName } from '../../projection.ts';
import type { StatisticsChanges } from '../fold.ts';

/** Adds to a second only events that come after the last one counted there; what was added is then added to the sums of the run. */
export function countEvents(schema: SchemaName, counted: StatisticsChanges['counted']): Statement {
  return {
    name: `${schema} count-events`,
    text: inSchema(counting, schema),
    values: [
      plainArray(counted.map(({ run }) => run)),
      plainArray(counted.map(({ second }) => second)),
      plainArray(counted.map(({ type }) => type)),
      plainArray(counted.map(({ place }) => place)),
    ],
  };
}

const counting = `
  with new as (
    select event.run_id, event.second, event.type, count(*) as amount, max(event.place) as place
    from unnest($1::uuid[], $2::bigint[], $3::text[], $4::bigint[]) as event (run_id, second, type, place)
    left join schema.seconds known on known.run_id = event.run_id and known.second = event.second and known.type = event.type
    where known.place is null or event.place > known.place
    group by 1, 2, 3
  ), changed as (
    insert into schema.seconds as known (run_id, second, type, amount, place)
    select run_id, second, type, amount, place from new
    on conflict (run_id, second, type) do update set amount = known.amount + excluded.amount, place = excluded.place
    returning run_id, second, type, amount
  )
  insert into schema.types as known (run_id, type, amount, peak)
  select new.run_id, new.type, sum(new.amount), max(changed.amount)
  from new join changed on changed.run_id = new.run_id and changed.second = new.second and changed.type = new.type
  group by 1, 2
  on conflict (run_id, type) do update set amount = known.amount + excluded.amount, peak = greatest(known.peak, excluded.peak)`;

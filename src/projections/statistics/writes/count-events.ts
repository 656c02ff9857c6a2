import type { Session, Statement } from '../../database.ts';
import { inSchema } from '../../projection.ts';
import type { SchemaName } from '../../projection.ts';
import { keyOfSecond } from '../fold.ts';
import type { Counted, StatisticsChanges } from '../fold.ts';
import { rowsOf } from './add-seconds.ts';

/** Adds to a second only events that come after the last one counted there; what was added is then added to the sums of the run. */
export async function countEvents(session: Session, schema: SchemaName, counted: StatisticsChanges['counted']): Promise<void> {
  const known = await session.query<{ run_id: string; second: string; type: string; place: string }>(lastCounted(schema, counted));
  const lastOf = new Map(known.map((row) => [keyOfSecond(row.run_id, row.second, row.type), Number(row.place)]));
  const added: Counted[] = [];
  for (const each of counted) {
    const last = lastOf.get(keyOfSecond(each.run, each.second, each.type)) ?? 0;
    const places = each.places[0]! > last ? each.places : each.places.filter((place) => place > last);
    if (places.length > 0) added.push({ ...each, places });
  }
  if (added.length > 0) await session.query(add(schema, added));
}

function lastCounted(schema: SchemaName, counted: StatisticsChanges['counted']): Statement {
  return {
    name: `${schema} last-counted`,
    text: inSchema(
      `select known.run_id, known.second, known.type, known.place
       from unnest($1::uuid[], $2::bigint[], $3::text[]) as counted (run_id, second, type) join schema.seconds known using (run_id, second, type)`,
      schema,
    ),
    values: rowsOf(counted).slice(0, 3),
  };
}

function add(schema: SchemaName, added: readonly Counted[]): Statement {
  return { name: `${schema} count-events`, text: inSchema(adding, schema), values: rowsOf(added) };
}

const adding = `
  with changed as (
    insert into schema.seconds as known (run_id, second, type, amount, place)
    select * from unnest($1::uuid[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[])
    on conflict (run_id, second, type) do update set amount = known.amount + excluded.amount, place = excluded.place
    returning run_id, second, type, amount
  )
  insert into schema.types as known (run_id, type, amount, peak)
  select new.run_id, new.type, sum(new.amount), max(changed.amount)
  from unnest($1::uuid[], $2::bigint[], $3::text[], $4::bigint[]) as new (run_id, second, type, amount) join changed using (run_id, second, type)
  group by 1, 2
  on conflict (run_id, type) do update set amount = known.amount + excluded.amount, peak = greatest(known.peak, excluded.peak)`;

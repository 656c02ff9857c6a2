import { plainArray } from '../../array-literals.ts';
import type { Statement } from '../../database.ts';
import { inSchema } from '../../projection.ts';
import type { SchemaName } from '../../projection.ts';
import type { StatisticsChanges } from '../fold.ts';

export function noteLastEvents(schema: SchemaName, lastEvents: StatisticsChanges['lastEvents']): Statement {
  return {
    name: `${schema} note-last-events`,
    text: inSchema(updating, schema),
    values: [plainArray([...lastEvents.keys()]), plainArray([...lastEvents.values()])],
  };
}

const updating = `
  update schema.runs set last_event_at = greatest(last_event_at, last.time)
  from unnest($1::uuid[], $2::bigint[]) as last (id, time) where runs.id = last.id`;

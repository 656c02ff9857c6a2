import { plainArray, textArray } from '../../array-literals.ts';
import type { Statement } from '../../database.ts';
import { inSchema } from '../../projection.ts';
import type { SchemaName } from '../../projection.ts';
import type { NetworkChanges } from '../fold.ts';

/** Followers are counted, not assumed to be none: whoever follows might have been quicker than the one who registers. */
export function registerUsers(schema: SchemaName, registered: NetworkChanges['registered']): Statement {
  return {
    name: `${schema} register`,
    text: inSchema(inserting, schema),
    values: [
      plainArray(registered.map(({ id }) => id)),
      plainArray(registered.map(({ place }) => place)),
      plainArray(registered.map(({ time }) => time)),
      plainArray(registered.map(({ event }) => event.handle)),
      textArray(registered.map(({ event }) => event.name)),
      textArray(registered.map(({ event }) => event.passwordHash)),
    ],
  };
}

const inserting = `
  insert into schema.users (id, place, created_at, post_count, follower_count, following_count, handle, name, bio, password_hash)
  select new.id, new.place, new.time, 0, (select count(*) from schema.follows where followee = new.id), 0, new.handle, new.name, '', new.password_hash
  from unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[]) as new (id, place, time, handle, name, password_hash)
  on conflict (id) do nothing`;

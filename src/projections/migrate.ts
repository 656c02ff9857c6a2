import { createHash } from 'node:crypto';
import { readFile, readdir } from 'node:fs/promises';
import type { Database } from './database.ts';

const folder = new URL('./migrations/', import.meta.url);
// Any number will do, as long as it stays: it keeps two processes that start at once apart.
const advisoryLock = 7_254_113_001;

/**
 * Brings the shared schema `starling` up to date, all or nothing, one process at a time.
 * @throws {Error} with the cure, when a newer Starling has been here, or when a migration is not the one that ran.
 */
export async function migrate(database: Database): Promise<void> {
  const ours = await readMigrations();
  await database.transaction({}, async (session) => {
    await session.query({ text: 'select pg_advisory_xact_lock($1)', values: [advisoryLock] });
    await session.query({ text: 'create schema if not exists starling' });
    await session.query({
      text: 'create table if not exists starling.migrations (number integer primary key, name text not null, checksum text not null)',
    });
    const done = await session.query<{ number: number; name: string; checksum: string }>({
      text: 'select * from starling.migrations order by number',
    });
    const newest = done.at(-1)?.number ?? 0;
    const known = ours.at(-1)?.number ?? 0;
    if (newest > known) {
      throw new Error(
        `this database was written by a newer Starling (migration ${newest}, this one knows ${known}): start that version, or give this one another database`,
      );
    }
    for (const migration of ours) {
      const before = done.find(({ number }) => number === migration.number);
      if (before === undefined) {
        await session.query({ text: migration.sql });
        const { number, name, checksum } = migration;
        await session.query({ text: 'insert into starling.migrations values ($1, $2, $3)', values: [number, name, checksum] });
      } else if (before.checksum !== migration.checksum) {
        throw new Error(
          `migration ${migration.name} is not the one that this database was made with: start the Starling that made it, or give this one another database`,
        );
      }
    }
  });
}

async function readMigrations(): Promise<{ number: number; name: string; checksum: string; sql: string }[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.sql')).toSorted();
  return Promise.all(
    names.map(async (name) => {
      const sql = await readFile(new URL(name, folder), 'utf8');
      return { number: Number.parseInt(name, 10), name, checksum: createHash('sha256').update(sql).digest('hex'), sql };
    }),
  );
}

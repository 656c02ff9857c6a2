import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../../src/logger.ts';
import { migrate } from '../../../src/projections/migrate.ts';
import { openDatabase } from '../../../src/projections/postgres-database.ts';
import { eventually } from '../../support/wait-for.ts';
import { usePostgres } from './setup.ts';

const postgres = usePostgres();

describe('the database', () => {
  it('commits what resolves and rolls back what throws', async () => {
    const database = await postgres.createDatabase();
    await database.query({ text: 'create table x (n int unique)' });
    await database.transaction({}, (session) => session.query({ text: 'insert into x values (1)' }));
    const failing = database.transaction({}, async (session) => {
      await session.query({ text: 'insert into x values (2)' });
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    await expect(database.query({ text: 'insert into x values (1)' })).rejects.toMatchObject({ code: '23505' });
    expect(await database.query({ text: 'select n from x' })).toEqual([{ n: 1 }]);
    await expect(
      database.transaction({ readOnly: true }, (session) => session.query({ text: 'insert into x values (3)' })),
      // As on the old primary after a fail-over, whose sessions live on: it passes.
    ).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE', message: expect.stringContaining('25006') });
  });

  it('says DatabaseUnavailable when the server ends the connection, and works again after', async () => {
    const database = await postgres.createDatabase();
    const broken = database.transaction({}, async (session) => {
      const [found] = await session.query<{ pid: number }>({ text: 'select pg_backend_pid() as pid' });
      await database.query({ text: 'select pg_terminate_backend($1)', values: [found!.pid] });
      await session.query({ text: 'select pg_sleep(10)' });
    });
    await expect(broken).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE', cause: expect.anything() });
    expect(await database.query({ text: 'select 1 as one' })).toEqual([{ one: 1 }]);
  });

  it('says DatabaseUnavailable when there is nobody', async () => {
    const options = { logger: silentLogger };
    await expect(openDatabase({ host: '/nowhere', user: 'starling', database: 'postgres' }, options)).rejects.toMatchObject({
      code: 'DATABASE_UNAVAILABLE',
    });
    await expect(openDatabase({ url: 'postgres://127.0.0.1:1/x' }, options)).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
  });

  it('listens, and tells when the connection is lost', async () => {
    const database = await postgres.createDatabase();
    const heard: string[] = [];
    const lost: unknown[] = [];
    const stop = await database.listen(
      'a channel',
      (payload) => heard.push(payload),
      (cause) => lost.push(cause),
    );
    await database.query({ text: `select pg_notify('a channel', 'hello')` });
    await eventually(() => heard.length === 1, 'the notification has arrived');
    expect(heard).toEqual(['hello']);
    await stop();
    expect(lost).toEqual([]);
    await database.listen(
      'a channel',
      () => undefined,
      (cause) => lost.push(cause),
    );
    await database.query({ text: `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'starling listener'` });
    await eventually(() => lost.length === 1, 'the loss is told');
    expect(lost[0]).toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
  });

  it('is migrated once, by many at the same time', async () => {
    const database = await postgres.createDatabase();
    await Promise.all([migrate(database), migrate(database), migrate(database)]);
    const done = await database.query<{ name: string }>({ text: 'select name from starling.migrations' });
    expect(done.map(({ name }) => name)).toEqual(['001-starling.sql', '002-leases.sql']);
    await database.query({ text: `update starling.migrations set checksum = 'x'` });
    await expect(migrate(database)).rejects.toThrow('is not the one that this database was made with');
    await database.query({ text: `insert into starling.migrations values (999, '999-later.sql', 'x')` });
    await expect(migrate(database)).rejects.toThrow('written by a newer Starling (migration 999, this one knows 2)');
  });
});

import { spawn } from 'node:child_process';
import { access, chmod, chown, mkdir, readFile, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { limits } from '../../../src/limits.ts';
import { silentLogger } from '../../../src/logger.ts';
import { startEmbeddedPostgres } from '../../../src/projections/embedded-postgres.ts';
import { openDatabase } from '../../../src/projections/postgres-database.ts';
import { copyPostgresTemplate } from '../../support/postgres-template.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { eventually } from '../../support/wait-for.ts';

/** A directory, or one below it, in which the files of a server have been made already. */
async function withFiles(...below: string[]): Promise<string> {
  const directory = join(await tempDir('pg'), ...below);
  await mkdir(directory, { recursive: true });
  await copyPostgresTemplate(join(directory, 'cluster'));
  return directory;
}

const start = async (directory: string) => {
  const server = await startEmbeddedPostgres({ directory, logger: silentLogger, clock: systemClock });
  onTestFinished(() => server.stop());
  return server;
};

const ask = async <Row extends object>(server: Awaited<ReturnType<typeof start>>, text: string): Promise<Row[]> => {
  const database = await openDatabase(server.connection, { logger: silentLogger });
  try {
    return await database.query<Row>({ text });
  } finally {
    await database.close();
  }
};

const isAlive = (pid: number) =>
  access(`/proc/${pid}/cwd`).then(
    () => true,
    () => false,
  );

describe('the embedded PostgreSQL', () => {
  it('starts, keeps what was written, stops, and is open to its owner alone', async () => {
    const directory = join(await tempDir('pg'), 'postgres');
    const first = await start(directory);
    expect(
      await ask(
        first,
        `select current_setting('server_encoding') as encoding, current_setting('listen_addresses') as addresses, lower('ÄÖÜ É') as lowered`,
      ),
    ).toEqual([{ encoding: 'UTF8', addresses: '', lowered: 'äöü é' }]);
    expect(await ask(first, `select current_setting('fsync') as fsync, current_setting('synchronous_commit') as sync`)).toEqual([
      { fsync: 'on', sync: 'on' },
    ]);
    await ask(first, `create table kept as select 'é💩' as x`);
    expect((await stat(first.connection.host)).mode & 0o777).toBe(0o700);
    expect((await stat(join(first.connection.host, '.s.PGSQL.5432'))).mode & 0o777).toBe(0o700);
    expect((await stat(join(directory, 'cluster'))).mode & 0o777).toBe(0o700);
    const pid = first.pid()!;
    await first.stop();
    expect(await isAlive(pid)).toBe(false);
    const second = await start(directory);
    expect(await ask(second, 'select * from kept')).toEqual([{ x: 'é💩' }]);
    expect(second.restarts()).toBe(0);
  });

  it('has the same locale whatever the environment says', async () => {
    const directory = await tempDir('pg');
    const script = `
      import { startEmbeddedPostgres } from '${join(process.cwd(), 'src/projections/embedded-postgres.ts')}';
      import { systemClock } from '${join(process.cwd(), 'src/clock.ts')}';
      import { silentLogger } from '${join(process.cwd(), 'src/logger.ts')}';
      const server = await startEmbeddedPostgres({ directory: '${directory}', logger: silentLogger, clock: systemClock });
      await server.stop();`;
    const file = join(directory, 'start.mts');
    await writeFile(file, script);
    const child = spawn(process.execPath, ['--import', 'tsx', file], {
      env: { PATH: process.env['PATH'], LC_ALL: 'xx_YY', LANG: 'C', PGDATA: '/nowhere' },
      stdio: 'inherit',
    });
    expect(await new Promise((resolve) => child.once('exit', resolve))).toBe(0);
    expect(await ask(await start(directory), `select current_setting('server_encoding') as encoding, lower('É') as lowered`)).toEqual([
      { encoding: 'UTF8', lowered: 'é' },
    ]);
  });

  it('stops the server that a killed process left behind', async () => {
    const directory = await withFiles();
    const left = await start(directory);
    const orphan = left.pid()!;
    // Nobody told the first one: to it, its server dies and it must not start another. So it is put away first, as kill -9 would.
    const database = await openDatabase(left.connection, { logger: silentLogger });
    await database.query({ text: 'create table kept (x int)' });
    await database.close();
    await left.stop();
    const child = spawn(process.execPath, ['--import', 'tsx', '-e', leaving(directory)], { stdio: ['ignore', 'pipe', 'inherit'] });
    const pid = Number(await new Promise<string>((resolve) => child.stdout.once('data', (chunk: Buffer) => resolve(chunk.toString()))));
    child.kill('SIGKILL');
    await new Promise((resolve) => child.once('exit', resolve));
    expect(pid).not.toBe(orphan);
    expect(await isAlive(pid)).toBe(true);
    const next = await start(directory);
    expect(await isAlive(pid)).toBe(false);
    expect(await ask(next, 'select count(*) from kept')).toEqual([{ count: '0' }]);
  });

  it('is not stopped by stale lock files, even if their process number lives on as something else', async () => {
    const directory = await withFiles();
    const first = await start(directory);
    const lock = await readFile(join(directory, 'cluster', 'postmaster.pid'), 'utf8');
    const host = first.connection.host;
    await first.stop();
    const bystander = spawn('sleep', ['60']);
    onTestFinished(() => void bystander.kill());
    await writeFile(join(directory, 'cluster', 'postmaster.pid'), lock.replace(/^\d+/, String(bystander.pid)));
    await writeFile(join(host, '.s.PGSQL.5432.lock'), `${bystander.pid}\n${join(directory, 'cluster')}\n`);
    await writeFile(join(host, '.s.PGSQL.5432'), '');
    await ask(await start(directory), 'select 1');
    expect(bystander.exitCode).toBeNull();
    expect(bystander.signalCode).toBeNull();
  });

  it('begins anew where its first start was killed in the middle', async () => {
    const directory = await tempDir('pg');
    await mkdir(join(directory, 'cluster.unfinished-1', 'base'), { recursive: true });
    await writeFile(join(directory, 'cluster.unfinished-1', 'PG_VERSION'), '18\n');
    await mkdir(join(directory, 'cluster'));
    await ask(await start(directory), 'select 1');
    expect((await readdir(directory)).filter((name) => name.includes('unfinished'))).toEqual([]);
  });

  it('refuses files of another major version, with the cure', async () => {
    const directory = await tempDir('pg');
    await mkdir(join(directory, 'cluster'), { recursive: true });
    await writeFile(join(directory, 'cluster', 'PG_VERSION'), '15\n');
    await expect(start(directory)).rejects.toThrow(/made by PostgreSQL 15, .* move that folder away/);
  });

  it('says what to do about damaged files', async () => {
    const directory = await withFiles();
    await (await start(directory)).stop();
    await writeFile(join(directory, 'cluster', 'global', 'pg_control'), '');
    await expect(start(directory)).rejects.toThrow(
      /PANIC: .*\nIf its files are damaged, move the folder of PostgreSQL away and start again/s,
    );
  });

  it.skipIf(process.getuid?.() !== 0)('says to root as whom to run on files of another user', async () => {
    const directory = await tempDir('pg');
    await mkdir(join(directory, 'cluster'));
    await writeFile(join(directory, 'cluster', 'PG_VERSION'), '18\n');
    await chown(join(directory, 'cluster'), 1234, 1234);
    await expect(start(directory)).rejects.toThrow(
      "belongs to the user with id 1234: run Starling as that user and not as root, such as with sudo -u '#1234'",
    );
  });

  it('finds a place for its socket below a very long path', async () => {
    const directory = await withFiles('a-rather-long-name-'.repeat(6), 'data');
    const server = await start(directory);
    expect(Buffer.byteLength(join(server.connection.host, '.s.PGSQL.5432'))).toBeLessThanOrEqual(107);
    expect((await stat(server.connection.host)).mode & 0o777).toBe(0o700);
    await ask(server, 'select 1');
    await server.stop();
    await rm(server.connection.host, { recursive: true, force: true });
  });

  it('refuses a socket folder that others could have made', async () => {
    const directory = await withFiles('a-rather-long-name-'.repeat(6), 'data');
    const server = await start(directory);
    const { host } = server.connection;
    await server.stop();
    await chmod(host, 0o777);
    await expect(start(directory)).rejects.toThrow('is not a private folder of this user');
    await rm(host, { recursive: true, force: true });
  });

  it('is started again when it dies by itself', async () => {
    const server = await start(await withFiles());
    const pid = server.pid()!;
    process.kill(pid, 'SIGKILL');
    await eventually(() => server.restarts() === 1, 'it runs again', 20_000);
    expect(server.pid()).not.toBe(pid);
    await ask(server, 'select 1');
    await server.stop();
    expect(await isAlive(server.pid()!)).toBe(false);
  });

  it('waits longer before each start after deaths in a row, and not at all for one that was well', { timeout: 60_000 }, async () => {
    let ahead = 0;
    const pauses: number[] = [];
    const clock = {
      ...systemClock,
      monotonicMs: () => systemClock.monotonicMs() + ahead,
      sleep(ms: number, signal?: AbortSignal) {
        if (ms >= limits.postgresRestartPauseMs) pauses.push(ms);
        return systemClock.sleep(Math.min(ms, 20), signal);
      },
    };
    const server = await startEmbeddedPostgres({ directory: await withFiles(), logger: silentLogger, clock });
    onTestFinished(() => server.stop());
    const kill = async () => {
      const before = server.restarts();
      process.kill(server.pid()!, 'SIGKILL');
      await eventually(() => server.restarts() > before, 'it runs again', 20_000);
    };
    for (let death = 0; death < 3; death++) await kill();
    expect(pauses).toEqual([limits.postgresRestartPauseMs, 2 * limits.postgresRestartPauseMs]);
    for (let death = 0; death < 3; death++) {
      ahead += limits.postgresWellAfterMs + 1;
      await kill();
    }
    expect(pauses).toHaveLength(2);
  });

  it('is tried again for as long as it does not start, and runs when what kept it from it is gone', async () => {
    const directory = await withFiles();
    let refused = 0;
    const logger = { ...silentLogger, error: (_: object, message: string) => void (refused += Number(message.includes('could not be'))) };
    // It would wait longer and longer.
    const clock = { ...systemClock, sleep: (ms: number, signal?: AbortSignal) => systemClock.sleep(Math.min(ms, 20), signal) };
    const server = await startEmbeddedPostgres({ directory, logger, clock });
    onTestFinished(() => server.stop());
    const control = join(directory, 'cluster', 'global', 'pg_control');
    await rename(control, `${control}.away`);
    process.kill(server.pid()!, 'SIGKILL');
    await eventually(() => refused >= 8, 'it was tried eight times', 60_000);
    await rename(`${control}.away`, control);
    await eventually(() => server.restarts() === 1, 'it runs again', 20_000);
    await ask(server, 'select 1');
  });

  it('is stopped at once also while it waits to be tried again', async () => {
    const directory = await withFiles();
    let refused = false;
    let waits = false;
    const logger = { ...silentLogger, error: (_: object, message: string) => void (refused ||= message.includes('could not be')) };
    const forEver = (signal?: AbortSignal) => new Promise<void>((resolve) => void signal?.addEventListener('abort', () => resolve()));
    const clock = {
      ...systemClock,
      sleep: (ms: number, signal?: AbortSignal) => {
        if (!refused) return systemClock.sleep(ms);
        waits = true;
        return forEver(signal);
      },
    };
    const server = await startEmbeddedPostgres({ directory, logger, clock });
    await rm(join(directory, 'cluster', 'global', 'pg_control'));
    process.kill(server.pid()!, 'SIGKILL');
    await eventually(() => waits, 'it waits', 20_000);
    await server.stop();
  });
});

const leaving = (directory: string) => `
  void (async () => {
    const { startEmbeddedPostgres } = await import('${join(process.cwd(), 'src/projections/embedded-postgres.ts')}');
    const { systemClock } = await import('${join(process.cwd(), 'src/clock.ts')}');
    const { silentLogger } = await import('${join(process.cwd(), 'src/logger.ts')}');
    const server = await startEmbeddedPostgres({ directory: '${directory}', logger: silentLogger, clock: systemClock });
    console.log(server.pid());
    setInterval(() => {}, 1000);
  })();`;

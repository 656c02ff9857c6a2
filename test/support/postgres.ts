import { appendFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../src/clock.ts';
import { silentLogger } from '../../src/logger.ts';
import type { Database } from '../../src/projections/database.ts';
import { startEmbeddedPostgres } from '../../src/projections/embedded-postgres.ts';
import type { EmbeddedPostgres } from '../../src/projections/embedded-postgres.ts';
import { openDatabase } from '../../src/projections/postgres-database.ts';
import type { DatabaseTarget } from '../../src/projections/postgres-database.ts';
import { copyPostgresTemplate } from './postgres-template.ts';

export interface TestPostgres {
  /** A database of the server, open. */
  readonly database: Database;
  readonly connection: EmbeddedPostgres['connection'];
  readonly server: EmbeddedPostgres;
  /** A fresh and empty database, some 50 ms; `stop` closes it if nobody did before. */
  createDatabase(options?: { poolSize?: number }): Promise<{ database: Database; target: Extract<DatabaseTarget, { host: string }> }>;
  /** Closes what was opened, stops the server and removes its files. */
  stop(): Promise<void>;
}

/**
 * A real PostgreSQL for a test file: start it in `beforeAll`, stop it in `afterAll`. Its files are copied, and it does not wait for the disk;
 * `asInstalled`: made anew, and as durable as it is for users, for who measures.
 */
export async function startTestPostgres({ asInstalled = false } = {}): Promise<TestPostgres> {
  const directory = await mkdtemp(join(tmpdir(), 'starling-postgres-'));
  if (!asInstalled) await makeImpatient(join(directory, 'cluster'));
  const server = await startEmbeddedPostgres({ directory, logger: silentLogger, clock: systemClock });
  const opened: Database[] = [];
  const database = await openDatabase(server.connection, { logger: silentLogger });
  opened.push(database);
  let count = 0;
  return {
    database,
    connection: server.connection,
    server,
    createDatabase: async (options = {}) => {
      count += 1;
      const name = `test_${count}`;
      // Copying by files costs a checkpoint; by the log of writes it is cheap for an empty template.
      await database.query({ text: `create database ${name} template template0 strategy wal_log` });
      const target = { ...server.connection, database: name };
      const created = await openDatabase(target, { logger: silentLogger, ...options });
      opened.push(created);
      return { database: created, target };
    },
    stop: async () => {
      await Promise.all(opened.map((each) => each.close().catch(() => undefined)));
      await server.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function makeImpatient(cluster: string): Promise<void> {
  await copyPostgresTemplate(cluster);
  // A server that is killed loses nothing by that, and the machine stays on.
  await appendFile(join(cluster, 'postgresql.conf'), 'fsync = off\nfull_page_writes = off\n');
}

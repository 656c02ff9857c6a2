import type { Config } from '../../config.ts';
import { openDataDirectory, postgresFolder } from '../../data-directory.ts';
import { DirectoryInUse } from '../../directory-lock.ts';
import type { EventLog } from '../../events/event-log.ts';
import type { Database } from '../../projections/database.ts';
import { findEmbeddedPostgres, startEmbeddedPostgres } from '../../projections/embedded-postgres.ts';
import { openDatabase } from '../../projections/postgres-database.ts';
import type { DatabaseTarget } from '../../projections/postgres-database.ts';
import type { ShutdownStack } from '../../shutdown-stack.ts';
import { configuredLog, openLogToRead } from '../copy/log-address.ts';
import type { LogPorts } from '../copy/log-address.ts';

export interface OpenedSystem {
  readonly log: EventLog;
  /** Undefined where there are no read models, or nobody said where. */
  readonly database: Database | undefined;
}

/**
 * The log and the database of a system, to look at: beside the node that runs, or by ourselves where none does.
 * @throws {LogUnavailable} {DatabaseUnavailable} with the cure.
 */
export async function openSystem(config: Config, ports: LogPorts, stack: ShutdownStack): Promise<OpenedSystem> {
  const { log } = await openLogToRead(configuredLog(config), ports);
  stack.push('event log', () => log.close());
  const target = config.databaseUrl === undefined ? await ownDatabase(config, ports, stack) : { url: config.databaseUrl };
  const database = target && (await openDatabase(target, { logger: ports.logger, applicationName: 'starling verify' }));
  if (database) stack.push('database', () => database.close());
  return { log, database };
}

/** That of a data directory. Where nobody runs the PostgreSQL of the data directory, we do, and keep others from it meanwhile. */
async function ownDatabase(
  { dataDirectory, logEngine }: Config,
  ports: LogPorts,
  stack: ShutdownStack,
): Promise<DatabaseTarget | undefined> {
  if (logEngine !== 'lmdb') return undefined;
  const directory = await openDataDirectory(dataDirectory).catch((error: unknown) => {
    if (error instanceof DirectoryInUse) return undefined;
    throw error;
  });
  if (directory === undefined) return findEmbeddedPostgres(`${dataDirectory}/postgres`);
  stack.push('data directory', () => directory.release());
  const folder = directory.inside(postgresFolder);
  if ((await findEmbeddedPostgres(folder)) === undefined) return undefined;
  const postgres = await startEmbeddedPostgres({ directory: folder, ...ports });
  stack.push('PostgreSQL', () => postgres.stop());
  return postgres.connection;
}

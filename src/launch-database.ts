import type { Clock } from './clock.ts';
import type { Config } from './config.ts';
import { postgresFolder } from './data-directory.ts';
import type { DataDirectory } from './data-directory.ts';
import type { Logger } from './logger.ts';
import { startEmbeddedPostgres } from './projections/embedded-postgres.ts';
import type { DatabaseTarget } from './projections/postgres-database.ts';
import type { Role } from './settings.ts';
import type { ShutdownStack } from './shutdown-stack.ts';

/** The PostgreSQL of a node that is starting. */
export interface LaunchedDatabase {
  /** Resolves when it takes connections. */
  readonly target: Promise<DatabaseTarget>;
}

/** Actors need no database. A node that only runs a job in a cluster has the one of the cluster, if it was told where that is. */
export function needsDatabase({ logEngine, databaseUrl }: Config, roles: readonly Role[]): boolean {
  return roles.length === 0 ? logEngine === 'lmdb' || databaseUrl !== undefined : roles.some((role) => role !== 'actors');
}

/**
 * The PostgreSQL of the configuration, or an embedded one, which is started. Resolves when only its own process is at work: whoever then loads
 * the rest of Starling, which takes as long, holds nothing up.
 */
export function launchDatabase(
  config: Config,
  directory: DataDirectory,
  ports: { logger: Logger; clock: Clock },
  stack: ShutdownStack,
): Promise<LaunchedDatabase> {
  if (config.databaseUrl !== undefined) return Promise.resolve({ target: Promise.resolve({ url: config.databaseUrl }) });
  return new Promise((resolve) => {
    const onLaunch = () => resolve({ target });
    const starting = startEmbeddedPostgres({ directory: directory.inside(postgresFolder), ...ports, onLaunch });
    // Pushed before it runs: whoever fails in the meantime still stops it.
    stack.push('PostgreSQL', async () => (await starting.catch(() => undefined))?.stop());
    const target = starting.then(({ connection }) => connection);
    // Whoever awaits the target hears of it.
    target.catch(onLaunch);
  });
}

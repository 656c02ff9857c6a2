import type { Clock } from './clock.ts';
import type { Role } from './settings.ts';
import type { EventLog } from './events/event-log.ts';
import { limits } from './limits.ts';
import type { Logger } from './logger.ts';
import type { Metrics } from './metrics.ts';
import type { CaughtUp } from './projections/caught-up.ts';
import { createCaughtUp } from './projections/caught-up.ts';
import { ensureLive, refuseDatabaseOfAnotherLog, refuseDatabaseOfOtherHistory } from './projections/checkpoints.ts';
import { createReadModel } from './projections/create-read-model.ts';
import type { Database } from './projections/database.ts';
import { DatabaseUnavailable } from './projections/database.ts';
import { watchDatabase } from './projections/database-watch.ts';
import { sessionName } from './projections/lease.ts';
import { migrate } from './projections/migrate.ts';
import { networkProjection } from './projections/network/projection.ts';
import { openDatabase } from './projections/postgres-database.ts';
import type { DatabaseTarget } from './projections/postgres-database.ts';
import type { Projection } from './projections/projection.ts';
import type { ReadModel } from './projections/read-model.ts';
import type { RunningProjection } from './projections/runner.ts';
import { startProjection } from './projections/runner.ts';
import { statisticsProjection } from './projections/statistics/projection.ts';
import type { ShutdownStack } from './shutdown-stack.ts';

export const projections: readonly Projection[] = [networkProjection, statisticsProjection];

/** What can be read, and what keeps it up to date. A node that only has actors does without. */
export interface ReadSide {
  readonly database: Database;
  readonly readModel: ReadModel;
  readonly caughtUp: CaughtUp;
  /** Those that this node runs. */
  readonly projections: readonly RunningProjection[];
}

export interface ReadSidePorts {
  readonly nodeId: string;
  readonly log: EventLog;
  readonly roles: readonly Role[];
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Told how many events a projection has just applied. */
  readonly onApplied: (events: number) => void;
  /** This node does not hear the others just now. */
  readonly isCutOff: () => boolean;
  /** Called when the database is up to date and before anybody is served. */
  readonly beforeServing?: (database: Database) => Promise<void>;
}

/** Opens the database, brings it up to date, and runs the projections where that is this node's role. @throws {DatabaseUnavailable} with the cure. */
export async function openReadSide(target: DatabaseTarget, ports: ReadSidePorts, stack: ShutdownStack): Promise<ReadSide> {
  const { log, roles, clock, logger } = ports;
  const explained = (cause: unknown): never => {
    throw 'url' in target ? aboutAddress(cause) : cause;
  };
  const database = await openDatabase(target, { logger, applicationName: 'starling' }).catch(explained);
  stack.push('database', () => database.close());
  await migrate(database).catch(explained);
  // A replay is the cure of rows that are ahead, so a node that only runs jobs takes them.
  if (roles.includes('actors') || roles.includes('projections')) await refuseDatabaseOfOtherHistory(database, log);
  else await refuseDatabaseOfAnotherLog(database, log.id);
  // A gateway may be there before whoever fills the tables. A replay is the cure of rows of another version too.
  if (roles.length > 0) for (const projection of projections) await ensureLive(database, projection, log.id);
  await ports.beforeServing?.(database);
  const readModel = createReadModel(database, log.id);
  const caughtUp = createCaughtUp({ readModel, clock });
  stack.push('waiting for read models', () => caughtUp.close());
  const running = roles.includes('projections') ? await startProjections(target, { ...ports, caughtUp }, stack) : [];
  const watch = await watchDatabase({ database, clock, logger, caughtUp, projections: running });
  stack.push('watch of the database', () => watch.stop());
  return { database, readModel, caughtUp, projections: running };
}

/** Whose address is wrong, and what to do, where the server or its rights are what fails. */
function aboutAddress(cause: unknown): unknown {
  const { code, message } = cause as { readonly code?: unknown; readonly message?: unknown };
  if (cause instanceof DatabaseUnavailable) {
    const cure = 'start that server, correct the address, or leave DATABASE_URL away to run the embedded one';
    return new DatabaseUnavailable(`DATABASE_URL: ${String(message)}: ${cure}`, { cause });
  }
  // Wrong credentials, no such database, no right to create.
  if (!/^(28...|3D000|42501)$/.test(String(code))) return cause;
  return new Error(`DATABASE_URL: ${String(message)}: correct the address, or let that role create schemas in that database`, { cause });
}

async function startProjections(
  target: DatabaseTarget,
  ports: ReadSidePorts & { readonly caughtUp: CaughtUp },
  stack: ShutdownStack,
): Promise<RunningProjection[]> {
  const { log, logger, nodeId } = ports;
  // Beside each batch its lease is renewed.
  const own = await openDatabase(target, {
    logger,
    applicationName: sessionName(nodeId),
    poolSize: 2 * projections.length,
    idleInTransactionMs: limits.projectionIdleInTransactionMs,
  });
  stack.push('database of the projections', () => own.close());
  return Promise.all(
    projections.map(async (projection) => {
      const started = await startProjection({ ...ports, projection, log, database: own });
      stack.push(`projection ${projection.name}`, () => started.stop());
      return started;
    }),
  );
}

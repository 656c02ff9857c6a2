import { startActorHost } from './actors/runtime/host.ts';
import type { ActorHost } from './actors/runtime/host.ts';
import { openFileSnapshots } from './actors/runtime/file-snapshots.ts';
import type { CommandClient } from './actors/command-client.ts';
import { beginRun, endRun } from './actors/runs.ts';
import { createCommandClient } from './actors/transport-command-client.ts';
import type { Clock } from './clock.ts';
import { systemClock } from './clock.ts';
import type { Config } from './config.ts';
import type { DataDirectory } from './data-directory.ts';
import { logFolder } from './data-directory.ts';
import type { LmdbEventLog } from './events/lmdb-log.ts';
import { openLmdbLog } from './events/lmdb-log.ts';
import type { Logger } from './logger.ts';
import type { Metrics } from './metrics.ts';
import { createMetrics } from './metrics.ts';
import type { CaughtUp } from './projections/caught-up.ts';
import { createCaughtUp } from './projections/caught-up.ts';
import { refuseDatabaseOfAnotherLog, refuseDatabaseOfOtherHistory } from './projections/checkpoints.ts';
import { createReadModel } from './projections/create-read-model.ts';
import type { Database } from './projections/database.ts';
import { watchDatabase } from './projections/database-watch.ts';
import { DatabaseUnavailable } from './projections/database.ts';
import { startEmbeddedPostgres } from './projections/embedded-postgres.ts';
import { migrate } from './projections/migrate.ts';
import { networkProjection } from './projections/network/projection.ts';
import { openDatabase } from './projections/postgres-database.ts';
import type { DatabaseTarget } from './projections/postgres-database.ts';
import type { Projection } from './projections/projection.ts';
import type { ReadModel } from './projections/read-model.ts';
import type { RunningProjection } from './projections/runner.ts';
import { startProjection } from './projections/runner.ts';
import { statisticsProjection } from './projections/statistics/projection.ts';
import type { Random } from './random.ts';
import { systemRandom } from './random.ts';
import { readinessOf } from './readiness.ts';
import { createShutdownStack } from './shutdown-stack.ts';
import type { ShutdownStack } from './shutdown-stack.ts';
import { createLocalTransport } from './transport/local-transport.ts';
import { startMeters } from './transport/meter-reports.ts';
import { connectNats } from './transport/nats-transport.ts';
import type { Transport } from './transport/transport.ts';

export const roles = ['gateway', 'actors', 'projections'] as const;
export type Role = (typeof roles)[number];

export const projections: readonly Projection[] = [networkProjection, statisticsProjection];

/** A running node: the parts that jobs work with. */
export interface Node {
  readonly id: string;
  readonly roles: readonly Role[];
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  /** Where the gateway answers; undefined without one. */
  readonly url: string | undefined;
  readonly log: LmdbEventLog;
  readonly database: Database;
  readonly readModel: ReadModel;
  readonly caughtUp: CaughtUp;
  readonly commands: CommandClient;
  readonly transport: Transport;
  readonly actors: ActorHost | undefined;
  readonly projections: readonly RunningProjection[];
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Drains and stops in reverse order. */
  stop(): Promise<void>;
}

export interface NodeOptions {
  readonly roles: readonly Role[];
  readonly directory: DataDirectory;
  readonly logger: Logger;
  /** Called when the database is up to date and before anybody is served. */
  readonly beforeServing?: (database: Database) => Promise<void>;
}

/** Starts the parts in the order of what they need; when one fails, those that run are stopped again, and its error is thrown. */
export async function startNode(config: Config, options: NodeOptions): Promise<Node> {
  const stack = createShutdownStack(options.logger);
  try {
    return await start(config, options, stack);
  } catch (error) {
    await stack.stop();
    throw error;
  }
}

async function start(config: Config, options: NodeOptions, stack: ShutdownStack): Promise<Node> {
  const { directory, logger } = options;
  const clock = systemClock;
  const random = systemRandom;
  const metrics = createMetrics({ process: true });
  const id = Buffer.from(random.bytes(6)).toString('hex');
  const startedAt = clock.now();
  const has = (role: Role): boolean => options.roles.includes(role);

  // PostgreSQL takes longest, and loading the gateway next; the log opens meanwhile.
  const target = startDatabase(config, directory, { logger, clock }, stack);
  const gatewayModule = has('gateway') ? import('./gateway-role.ts') : undefined;
  // Whichever fails first is what is thrown; the other must not count as unhandled.
  for (const begun of [target, gatewayModule]) begun?.catch(() => undefined);

  const log = await openLmdbLog({ directory: directory.inside(logFolder), random, logger, metrics, clock });
  stack.push('event log', () => log.close());
  const space = config.space ?? log.id;
  const transport =
    config.natsUrl === undefined
      ? createLocalTransport({ clock, logger })
      : await connectNats({ servers: config.natsUrl, name: `starling ${id}`, clock, random, logger, metrics });
  stack.push('transport', () => transport.close());
  const meters = startMeters({ transport, space, nodeId: id, clock });
  stack.push('meters', () => meters.stop());

  const database = await openDatabase(await target, { logger, applicationName: 'starling' }).catch((cause: unknown) => {
    if (config.databaseUrl === undefined || !(cause instanceof DatabaseUnavailable)) throw cause;
    throw new DatabaseUnavailable(
      `DATABASE_URL: ${cause.message}: start that server, correct the address, or leave DATABASE_URL away to run the embedded one`,
      { cause },
    );
  });
  stack.push('database', () => database.close());
  await migrate(database);
  // A replay is the cure of rows that are ahead, so a node that only runs jobs takes them.
  if (has('actors') || has('projections')) await refuseDatabaseOfOtherHistory(database, log);
  else await refuseDatabaseOfAnotherLog(database, log.id);
  await options.beforeServing?.(database);
  const readModel = createReadModel(database, log.id);
  const caughtUp = createCaughtUp({ readModel, clock });
  stack.push('waiting for read models', () => caughtUp.close());

  const actors = has('actors') ? await startActors() : undefined;
  const running = has('projections') ? await startProjections() : [];
  const watch = await watchDatabase({
    database,
    clock,
    logger,
    onLost: () => {
      caughtUp.forget();
      for (const projection of running) projection.lookAgain();
    },
  });
  stack.push('watch of the database', () => watch.stop());
  const commands = createCommandClient({ transport, space, clock, random, logger });
  const node = {
    id,
    roles: options.roles,
    startedAt,
    log,
    database,
    readModel,
    caughtUp,
    commands,
    transport,
    actors,
    projections: running,
    clock,
    random,
    logger,
    metrics,
  };
  const ports = { ...node, space, meters, ready: () => readinessOf(node) };
  const gateway = await (await gatewayModule)?.startGateway(ports, config, stack);
  logger.info({ node: id, roles: options.roles, elapsedMs: clock.now() - startedAt }, 'node started');
  return { ...node, url: gateway?.url, stop: () => stack.stop() };

  async function startActors(): Promise<ActorHost> {
    const run = await beginRun({ log, clock, random, label: config.label });
    stack.push('run', () => endRun({ log, clock, run: run.id }));
    const snapshots = await openFileSnapshots(directory.inside('snapshots'));
    const host = await startActorHost({ log, transport, snapshots, space, clock, random, logger, metrics, meters });
    stack.push('actors', () => host.stop());
    return host;
  }

  async function startProjections(): Promise<RunningProjection[]> {
    const onApplied = (events: number): void => meters.count('eventsProjected', events);
    const own = await openDatabase(await target, { logger, applicationName: 'starling projections', poolSize: projections.length });
    stack.push('database of the projections', () => own.close());
    return Promise.all(
      projections.map(async (projection) => {
        const started = await startProjection({ projection, log, database: own, clock, logger, metrics, caughtUp, onApplied });
        stack.push(`projection ${projection.name}`, () => started.stop());
        return started;
      }),
    );
  }
}

async function startDatabase(
  config: Config,
  directory: DataDirectory,
  ports: { logger: Logger; clock: Clock },
  stack: ShutdownStack,
): Promise<DatabaseTarget> {
  if (config.databaseUrl !== undefined) return { url: config.databaseUrl };
  const starting = startEmbeddedPostgres({ directory: directory.inside('postgres'), ...ports });
  // Pushed before it runs: whoever fails in the meantime still stops it.
  stack.push('PostgreSQL', async () => (await starting.catch(() => undefined))?.stop());
  return (await starting).connection;
}

import { startActorHost } from './actors/runtime/host.ts';
import type { ActorHost } from './actors/runtime/host.ts';
import type { Membership } from './actors/runtime/members.ts';
import { startMembership } from './actors/runtime/membership.ts';
import { assertNotOutdated } from './actors/runtime/outdated.ts';
import type { CommandClient } from './actors/command-client.ts';
import { takePartInRun } from './actors/take-part.ts';
import { commandFormats, newestFormat } from './actors/envelope.ts';
import { createCommandClient } from './actors/transport-command-client.ts';
import type { Clock } from './clock.ts';
import { systemClock } from './clock.ts';
import type { Config } from './config.ts';
import type { Role } from './settings.ts';
import type { DataDirectory } from './data-directory.ts';
import type { EventLog } from './events/event-log.ts';
import { eventGenerations, newestGeneration } from './events/generations.ts';
import type { LmdbEventLog } from './events/lmdb-log.ts';
import type { LaunchedDatabase } from './launch-database.ts';
import type { Logger } from './logger.ts';
import type { Metrics } from './metrics.ts';
import { createMetrics } from './metrics.ts';
import type { Database } from './projections/database.ts';
import type { Random } from './random.ts';
import { systemRandom } from './random.ts';
import { openLog } from './open-log.ts';
import { openSnapshots } from './open-snapshots.ts';
import { readProjectionStatuses } from './projections/statuses.ts';
import type { ReadSide } from './read-side.ts';
import { openReadSide } from './read-side.ts';
import { readinessOf } from './readiness.ts';
import type { ShutdownStack } from './shutdown-stack.ts';
import { createLocalTransport } from './transport/local-transport.ts';
import { startMeters } from './transport/meter-reports.ts';
import type { NatsTransportOptions } from './transport/nats-transport.ts';
import type { Transport } from './transport/transport.ts';

/** A running node: the parts that jobs work with. */
export interface Node {
  readonly id: string;
  readonly roles: readonly Role[];
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  /** Where the gateway answers; undefined without one. */
  readonly url: string | undefined;
  readonly log: EventLog;
  /** The log, where it is in the data directory of this node. */
  readonly embeddedLog: LmdbEventLog | undefined;
  /** Undefined for a node that only has actors. */
  readonly readSide: ReadSide | undefined;
  readonly commands: CommandClient;
  readonly transport: Transport;
  readonly membership: Membership;
  readonly actors: ActorHost | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export interface NodeOptions {
  readonly roles: readonly Role[];
  readonly directory: DataDirectory;
  readonly logger: Logger;
  /** Undefined for a node that needs none. */
  readonly database: LaunchedDatabase | undefined;
  /** What runs already, and stops last. */
  readonly stack: ShutdownStack;
  /** Called when the database is up to date and before anybody is served. */
  readonly beforeServing?: (database: Database) => Promise<void>;
}

/** Starts the parts in the order of what they need. When one fails, `stack` holds those that run. */
export async function startNode(config: Config, options: NodeOptions): Promise<Node> {
  const { directory, logger, stack } = options;
  const clock = systemClock;
  const random = systemRandom;
  const metrics = createMetrics({ process: true });
  const id = Buffer.from(random.bytes(6)).toString('hex');
  const startedAt = clock.now();
  const has = (role: Role): boolean => options.roles.includes(role);

  // Loading the gateway takes longest; the log opens meanwhile.
  const gatewayModule = has('gateway') ? import('./gateway-role.ts') : undefined;
  // Something else may fail first, and is what is thrown then.
  gatewayModule?.catch(() => undefined);

  const { log, embedded, space } = await openLog(config, directory, { random, logger, metrics, clock });
  stack.push('event log', () => log.close());
  const transport =
    config.natsUrl === undefined
      ? createLocalTransport({ clock, logger })
      : await connectOverNats({ servers: config.natsUrl, files: config.natsFiles, name: `starling ${id}`, clock, random, logger, metrics });
  stack.push('transport', () => transport.close());
  const meters = startMeters({ transport, space, nodeId: id, clock });
  stack.push('meters', () => meters.stop());
  let actors: ActorHost | undefined;
  const understands = { events: newestGeneration(eventGenerations), messages: newestFormat(commandFormats) };
  const membership = await startMembership({
    transport,
    space,
    node: { id, roles: options.roles, startedAt },
    understands,
    clock,
    logger,
    metrics,
    describe: () => actors ?? { activeActors: 0, commandsAnswered: 0 },
  });
  stack.push('membership', () => membership.stop());
  // Within one process nobody else can be there, and a job writes nothing.
  if (config.natsUrl !== undefined && options.roles.length > 0) {
    await membership.settled();
    assertNotOutdated(membership, understands);
  }
  // Actors take their share of users when they are ready; of the others nobody waits for anything.
  if (!has('actors')) membership.serve();
  const ports = { log, transport, space, membership, clock, random, logger, metrics, meters };

  // Before the actors: a database that shows more than the log holds is refused before anything is appended.
  const readSide =
    options.database &&
    (await openReadSide(
      await options.database.target,
      {
        ...ports,
        ...options,
        nodeId: id,
        onApplied: (events) => meters.count('eventsProjected', events),
        isCutOff: () => membership.isCutOff(),
      },
      stack,
    ));
  if (has('actors')) actors = await startActors();
  const commands = createCommandClient(ports);
  const node = { ...ports, embeddedLog: embedded, id, roles: options.roles, startedAt, readSide, commands, actors };
  const cluster = {
    nodes: membership.members,
    transport: transport.name,
    eventLog: config.logEngine,
    projections: async () => (readSide ? readProjectionStatuses(readSide.database, log) : []),
  };
  const gateway =
    readSide &&
    (await (await gatewayModule)?.startGateway({ ...node, ...readSide, cluster, ready: () => readinessOf(node) }, config, stack));
  logger.info({ node: id, roles: options.roles, elapsedMs: clock.now() - startedAt }, 'node started');
  return { ...node, url: gateway?.url };

  async function startActors(): Promise<ActorHost> {
    const run = await takePartInRun({ ...ports, label: config.label });
    stack.push('run', () => run.stop());
    const snapshots = await openSnapshots(config, directory, { space, random, logger }, stack);
    const host = await startActorHost({ ...ports, snapshots });
    stack.push('actors', () => host.stop());
    return host;
  }
}

/** Loaded by whom needs it: it brings a large client. */
async function connectOverNats(options: NatsTransportOptions): Promise<Transport> {
  const { connectNats } = await import('./transport/nats-transport.ts');
  return connectNats(options);
}

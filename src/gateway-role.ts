import type { CommandClient } from './actors/command-client.ts';
import type { Clock } from './clock.ts';
import type { EventLog } from './events/event-log.ts';
import { createPostgresAttemptLimits } from './gateway/attempt-limits-postgres.ts';
import { parseTrustedProxies } from './gateway/client-address.ts';
import type { ClusterView, GatewayServices } from './gateway/context.ts';
import type { Readiness } from './gateway/gateway.ts';
import { createGateway } from './gateway/gateway.ts';
import { createLiveFeed } from './gateway/live/live-feed.ts';
import { subscriptionResolvers } from './gateway/live/subscription-resolvers.ts';
import { createPasswords } from './gateway/passwords.ts';
import { createSchema } from './gateway/schema.ts';
import { createPostgresSessions } from './gateway/sessions-postgres.ts';
import { attachWebSocket } from './gateway/websocket.ts';
import type { Logger } from './logger.ts';
import type { Metrics } from './metrics.ts';
import type { CaughtUp } from './projections/caught-up.ts';
import type { Database } from './projections/database.ts';
import type { ReadModel } from './projections/read-model.ts';
import type { Random } from './random.ts';
import type { ShutdownStack } from './shutdown-stack.ts';
import type { Meters } from './transport/meter-reports.ts';
import type { Transport } from './transport/transport.ts';

export interface GatewayPorts {
  readonly log: EventLog;
  readonly database: Database;
  readonly readModel: ReadModel;
  readonly caughtUp: CaughtUp;
  readonly commands: CommandClient;
  readonly transport: Transport;
  readonly space: string;
  readonly meters: Meters;
  readonly cluster: ClusterView;
  readonly ready: () => Promise<Readiness>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** The wiring of the gateway: a file of its own, so that its many modules are loaded while PostgreSQL starts. */
export async function startGateway(
  ports: GatewayPorts,
  at: { host: string; port: number; trustedProxies: readonly string[] },
  stack: ShutdownStack,
): Promise<{ readonly url: string }> {
  const { log, database } = ports;
  const sessions = createPostgresSessions(ports);
  stack.push('sessions', () => sessions.close());
  const services: GatewayServices = {
    ...ports,
    logId: log.id,
    namespace: log.namespace,
    logTail: async () => (await log.tail())?.position,
    sessions,
    passwords: createPasswords(),
    attempts: createPostgresAttemptLimits({ database, clock: ports.clock, namespace: log.namespace }),
  };
  const liveFeed = createLiveFeed(ports);
  stack.push('live feed', () => liveFeed.close());
  const schema = createSchema(subscriptionResolvers(liveFeed));
  const trustedProxies = parseTrustedProxies(at.trustedProxies);
  const gateway = await createGateway(services, {
    schema,
    trustedProxies,
    async ready() {
      const { ready, details } = await ports.ready();
      const feeding = liveFeed.stoppedBy() === null;
      return { ready: ready && feeding, details: { ...details, liveFeed: feeding ? 'running' : 'stopped' } };
    },
    attach: (server) => attachWebSocket(server, { path: '/graphql', schema, services, liveFeed, trustedProxies }),
  });
  stack.push('gateway', () => gateway.close());
  return gateway.listen(at);
}

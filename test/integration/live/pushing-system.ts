import { newNodeId } from '../../support/node-id.ts';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createClient } from 'graphql-ws';
import type { Client, ClientOptions } from 'graphql-ws';
import { WebSocket } from 'ws';
import type { CommandClient } from '../../../src/actors/command-client.ts';
import { systemClock } from '../../../src/clock.ts';
import type { EventLog } from '../../../src/events/event-log.ts';
import type { DomainEvent } from '../../../src/events/event-types.ts';
import { newPostId, parseHandle, userIdOf, userStreamOf } from '../../../src/events/ids.ts';
import type { PostId, UserId } from '../../../src/events/ids.ts';
import { createMemoryLog } from '../../../src/events/memory-log.ts';
import type { Position } from '../../../src/events/position.ts';
import type { GatewayServices } from '../../../src/gateway/context.ts';
import { createLiveFeed } from '../../../src/gateway/live/live-feed.ts';
import { subscriptionResolvers } from '../../../src/gateway/live/subscription-resolvers.ts';
import { createSchema } from '../../../src/gateway/schema.ts';
import { attachWebSocket } from '../../../src/gateway/websocket.ts';
import { silentLogger } from '../../../src/logger.ts';
import { createMetrics } from '../../../src/metrics.ts';
import { createCaughtUp } from '../../../src/projections/caught-up.ts';
import { createReadModel } from '../../../src/projections/create-read-model.ts';
import { migrate } from '../../../src/projections/migrate.ts';
import { networkProjection } from '../../../src/projections/network/projection.ts';
import { startProjection } from '../../../src/projections/runner.ts';
import { systemRandom } from '../../../src/random.ts';
import { createLocalTransport } from '../../../src/transport/local-transport.ts';
import { startMeters } from '../../../src/transport/meter-reports.ts';
import type { TestPostgres } from '../../support/postgres.ts';
import { createFakeSessions } from './live-gateway.ts';

export type PushingSystem = Awaited<ReturnType<typeof startPushingSystem>>;
export type PushingGateway = Awaited<ReturnType<PushingSystem['startGateway']>>;

/**
 * What a push goes through, with a real PostgreSQL: log, projection, live feed, WebSocket. Events are appended as actors would; sessions are those of
 * `createFakeSessions`. A gateway may be stopped and another started, on the same port. `postgres` stops with it.
 */
export async function startPushingSystem(postgres: TestPostgres) {
  const { database } = await postgres.createDatabase();
  await migrate(database);
  const ports = { clock: systemClock, random: systemRandom, logger: silentLogger, metrics: createMetrics() };
  const log = createMemoryLog(ports);
  const transport = createLocalTransport(ports);
  const meters = startMeters({ transport, space: 'test', nodeId: 'test', clock: systemClock });
  const readModel = createReadModel(database, log.id);
  const caughtUp = createCaughtUp({ readModel, clock: systemClock });
  const projection = await startProjection({ nodeId: newNodeId(), ...ports, projection: networkProjection, log, database, caughtUp });
  const counts = { subscribes: 0, reads: 0, handOvers: 0, handOversAtOnce: 0, handOversAtOnceMax: 0, postsAsOf: 0 };

  const watchedLog: EventLog = {
    ...log,
    read(...args) {
      counts.reads += 1;
      return log.read(...args);
    },
    subscribe(...args) {
      counts.subscribes += 1;
      return log.subscribe(...args);
    },
  };
  const handOver = async <T>(read: () => Promise<T>): Promise<T> => {
    counts.handOvers += 1;
    counts.handOversAtOnce += 1;
    counts.handOversAtOnceMax = Math.max(counts.handOversAtOnceMax, counts.handOversAtOnce);
    return read().finally(() => {
      counts.handOversAtOnce -= 1;
    });
  };
  const watchedReadModel = {
    ...readModel,
    homeHandOver: (...args: Parameters<typeof readModel.homeHandOver>) => handOver(() => readModel.homeHandOver(...args)),
    userHandOver: (...args: Parameters<typeof readModel.userHandOver>) => handOver(() => readModel.userHandOver(...args)),
    postsAsOf: (ids: readonly PostId[]) => {
      counts.postsAsOf += 1;
      return readModel.postsAsOf(ids);
    },
  };

  const append = async (userId: UserId, event: DomainEvent): Promise<Position> => {
    const stream = userStreamOf(userId);
    return (await log.append(stream, await log.head(stream), { events: [event], time: systemClock.now() })).position;
  };
  const idOf = (handle: string): UserId => userIdOf(parseHandle(handle)!, log.namespace);

  const clients: Client[] = [];
  const gateways = new Set<{ close(): Promise<void> }>();

  async function startGateway(port = 0, timings?: { connectionInitMs?: number; pingMs?: number }) {
    const sessions = createFakeSessions();
    const metrics = createMetrics();
    const services = {
      ...ports,
      metrics,
      logId: log.id,
      namespace: log.namespace,
      logTail: async () => (await log.tail())?.position,
      commands: undefined as unknown as CommandClient,
      readModel: watchedReadModel,
      caughtUp,
      sessions: sessions.sessions,
    } as unknown as GatewayServices;
    const liveFeed = createLiveFeed({
      ...ports,
      metrics,
      log: watchedLog,
      readModel: watchedReadModel,
      caughtUp,
      transport,
      space: 'test',
      meters,
    });
    await liveFeed.started;
    const schema = createSchema(subscriptionResolvers(liveFeed));
    const server = createServer();
    const attached = attachWebSocket(server, { path: '/graphql', schema, services, liveFeed, ...(timings ? { timings } : {}) });
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    const at = (server.address() as AddressInfo).port;
    const gateway = {
      port: at,
      url: `ws://127.0.0.1:${at}/graphql`,
      liveFeed,
      server,
      sessions,
      metrics,
      async close() {
        gateways.delete(gateway);
        await attached.close();
        await liveFeed.close();
        await new Promise((resolve) => server.close(resolve));
      },
    };
    gateways.add(gateway);
    return gateway;
  }

  return {
    postgres,
    database,
    log,
    counts,
    readModel,
    caughtUp,
    startGateway,
    idOf,
    register: (handle: string) =>
      append(idOf(handle), { type: 'UserRegistered', handle: parseHandle(handle)!, name: handle, passwordHash: '-' }),
    follow: (viewer: string, followee: string) => append(idOf(viewer), { type: 'UserFollowed', followeeId: idOf(followee) }),
    unfollow: (viewer: string, followee: string) => append(idOf(viewer), { type: 'UserUnfollowed', followeeId: idOf(followee) }),
    async post(author: string, text: string) {
      const postId = newPostId(systemClock, systemRandom);
      const position = await append(idOf(author), { type: 'PostCreated', postId, text });
      return { postId, position };
    },
    remove: (author: string, postId: PostId) => append(idOf(author), { type: 'PostDeleted', postId }),
    /** Waits until the read model shows everything. */
    async caught() {
      const tail = await log.tail();
      if (tail) await caughtUp.waitFor(['network'], tail.position, 20_000);
    },
    client(url: string, handle?: string, options: Partial<ClientOptions> = {}): Client {
      const connectionParams = handle === undefined ? {} : { connectionParams: { authorization: `Bearer token-${idOf(handle)}` } };
      const client = createClient({ url, webSocketImpl: WebSocket, retryAttempts: 0, ...connectionParams, ...options });
      clients.push(client);
      return client;
    },
    async stop() {
      await Promise.all(clients.map(async (client) => client.dispose()));
      for (const gateway of gateways) await gateway.close();
      await projection.stop();
      caughtUp.close();
      await meters.stop();
      await transport.close();
      await log.close();
      await postgres.stop();
    },
  };
}

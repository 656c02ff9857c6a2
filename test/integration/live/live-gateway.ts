import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createClient } from 'graphql-ws';
import type { Client } from 'graphql-ws';
import { WebSocket } from 'ws';
import { systemClock } from '../../../src/clock.ts';
import type { UserId } from '../../../src/events/ids.ts';
import type { GatewayServices } from '../../../src/gateway/context.ts';
import { subscriptionResolvers } from '../../../src/gateway/live/subscription-resolvers.ts';
import { createSchema } from '../../../src/gateway/schema.ts';
import type { Sessions, SignedIn } from '../../../src/gateway/sessions.ts';
import { attachWebSocket } from '../../../src/gateway/websocket.ts';
import { silentLogger } from '../../../src/logger.ts';
import type { UserRow } from '../../../src/projections/read-model.ts';
import { systemRandom } from '../../../src/random.ts';
import { createWorld, postRow } from '../../unit/live/world.ts';
import type { World } from '../../unit/live/world.ts';

/** Sessions in memory: the token of user N is `token-<id>`. */
export function createFakeSessions() {
  const ended = new Set<string>();
  const callbacks = new Map<string, Set<() => void>>();
  const sessions = {
    async find(token: string): Promise<SignedIn | null> {
      const userId = /^token-(.+)$/.exec(token)?.[1] as UserId | undefined;
      return userId === undefined || ended.has(token) ? null : { userId, sessionId: token, expiresAt: Number.MAX_SAFE_INTEGER };
    },
    async end(sessionId: string) {
      ended.add(sessionId);
      for (const callback of callbacks.get(sessionId) ?? []) callback();
    },
    onEnd(session: SignedIn, callback: () => void) {
      const all = callbacks.get(session.sessionId) ?? new Set();
      callbacks.set(session.sessionId, all.add(callback));
      return () => void all.delete(callback);
    },
  };
  return { sessions: sessions as unknown as Sessions, listening: () => [...callbacks.values()].reduce((sum, { size }) => sum + size, 0) };
}

export interface LiveGateway {
  readonly url: string;
  readonly world: World;
  readonly sessions: ReturnType<typeof createFakeSessions>;
  readonly metricsText: () => Promise<string>;
  /** A client of npm graphql-ws; closed with the gateway. */
  client(userId?: UserId): Client;
  /** A bare WebSocket. */
  socket(protocol?: string | null): WebSocket;
  closeSockets(): Promise<void>;
  /** Of any kind, as the server counts them. */
  connections(): Promise<number>;
  close(): Promise<void>;
}

/** The WebSocket side of a gateway over a memory log and a read model made of it: real sockets, no database. */
export async function startLiveGateway(
  options: {
    timings?: { connectionInitMs?: number; pingMs?: number };
    /** Comes before each look for a user by handle. */
    beforeUserByHandle?: (handle: string) => Promise<void>;
    /** Comes before each look for how the viewer stands to others. */
    beforeRelations?: () => Promise<void>;
  } = {},
): Promise<LiveGateway> {
  const world = createWorld();
  const sessions = createFakeSessions();
  const userByHandle = async (handle: string): Promise<UserRow | null> => {
    await options.beforeUserByHandle?.(handle);
    const number = /^u([0-9]+)$/.exec(handle)?.[1];
    if (number === undefined) return null;
    const id = `00000000-0000-5000-8000-${Number(number).toString(16).padStart(12, '0')}` as UserId;
    return postRow('' as never, id, { logId: world.log.id, commit: 1, index: 0 }).author;
  };
  const services = {
    logId: world.log.id,
    namespace: world.log.namespace,
    logTail: world.tail,
    readModel: {
      ...world.readModel,
      userByHandle,
      usersById: async (ids: readonly UserId[]) =>
        ids.map((id) => postRow('' as never, id, { logId: world.log.id, commit: 1, index: 0 }).author),
      relations: async (viewer: UserId, others: readonly UserId[]) => {
        await options.beforeRelations?.();
        const followees = new Set(world.followeesOf(viewer));
        return others.map((other) => ({ follows: followees.has(other), followedBy: false }));
      },
    },
    caughtUp: world.caughtUp,
    sessions: sessions.sessions,
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
    metrics: world.metrics,
  } as unknown as GatewayServices;
  await world.feed.started;
  const schema = createSchema(subscriptionResolvers(world.feed));
  // What is no WebSocket is told back.
  const server = createServer((request, response) => {
    request
      .setEncoding('utf8')
      .toArray()
      .then(
        (body) => response.end(`${request.method} ${request.url} ${request.headers['content-type']} ${body.join('')}`),
        () => response.destroy(),
      );
  });
  const attached = attachWebSocket(server, { path: '/graphql', schema, services, liveFeed: world.feed, ...options });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/graphql`;
  const clients: Client[] = [];
  const opened: WebSocket[] = [];
  return {
    url,
    world,
    sessions,
    metricsText: () => world.metrics.text(),
    client(userId) {
      const client = createClient({
        url,
        webSocketImpl: WebSocket,
        retryAttempts: 0,
        ...(userId ? { connectionParams: { authorization: `Bearer token-${userId}` } } : {}),
      });
      clients.push(client);
      return client;
    },
    socket(protocol = 'graphql-transport-ws') {
      const socket = protocol === null ? new WebSocket(url) : new WebSocket(url, protocol);
      opened.push(socket);
      return socket;
    },
    closeSockets: () => attached.close(),
    connections: () => new Promise((resolve, reject) => server.getConnections((error, count) => (error ? reject(error) : resolve(count)))),
    async close() {
      await Promise.all(clients.map(async (client) => client.dispose()));
      for (const socket of opened) socket.terminate();
      await attached.close();
      await world.feed.close();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fastify } from 'fastify';
import type { FastifyInstance, FastifyReply } from 'fastify';
import type { GraphQLFormattedError, GraphQLSchema } from 'graphql';
import type { Clock } from '../clock.ts';
import { limits } from '../limits.ts';
import type { TrustedProxies } from './client-address.ts';
import type { GatewayServices } from './context.ts';
import { badUserInput, createErrorMask } from './errors.ts';
import { addGraphiqlRoutes } from './graphiql.ts';
import { addGraphqlRoute } from './graphql-route.ts';
import { listenFailure } from './listening.ts';
import { connectionsPossible } from './open-files.ts';

export interface Readiness {
  readonly ready: boolean;
  /** What is behind, for people: goes out as it is, so nothing personal and no address of a database. */
  readonly details: Readonly<Record<string, unknown>>;
}

export interface GatewayOptions {
  readonly schema: GraphQLSchema;
  /** Has the node caught up, so that a balancer may send it requests? */
  readonly ready: () => Promise<Readiness>;
  /** Puts the WebSocket onto the server; closed before the server is, since its connections would hold it open. */
  readonly attach?: (server: Server) => { close(): Promise<void> };
  /** Proxies whose word on the address of a client is taken, for rate limits; by default none. */
  readonly trustedProxies?: TrustedProxies;
}

/** HTTP: GraphQL, its page, health and metrics. */
export interface Gateway {
  /** @throws {ListenFailed} when the port is taken or the host is not ours. Port 0: any that is free. */
  listen(at: { host: string; port: number }): Promise<{ readonly url: string; readonly port: number }>;
  /** Takes no new connections and lets running requests finish, at most `limits.drainMs`. */
  close(): Promise<void>;
}

export async function createGateway(services: GatewayServices, options: GatewayOptions): Promise<Gateway> {
  const maskError = createErrorMask(services);
  const app = fastify({
    logger: false,
    bodyLimit: limits.bodyBytesMax,
    requestTimeout: limits.requestTimeoutMs,
    connectionTimeout: limits.connectionSilentMs,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    forceCloseConnections: 'idle',
    // What comes over an open connection while it closes is answered, and the connection with it: Fastify's own 503 is no answer of GraphQL.
    return503OnClosing: false,
    http: { headersTimeout: limits.headersTimeoutMs, connectionsCheckingInterval: limits.connectionsCheckMs },
    // A path that cannot be decoded reaches no route and no hook.
    frameworkErrors: (_, __, reply) => void sendFault(reply, 400, maskError(badUserInput('This request cannot be understood.'))),
  });
  protectAndMeasure(app, services);
  await addGraphqlRoute(app, services, options);
  addGraphiqlRoutes(app);
  addOperatingRoutes(app, services, options.ready);
  await app.ready();
  app.server.maxConnections = connectionsPossible();
  const attached = options.attach?.(app.server);

  return {
    async listen({ host, port }) {
      try {
        await app.listen({ host, port });
      } catch (cause) {
        throw listenFailure(host, port, cause);
      }
      const { port: taken } = app.server.address() as AddressInfo;
      const shown = host === '0.0.0.0' || host === '::' ? 'localhost' : host;
      return { url: `http://${shown.includes(':') ? `[${shown}]` : shown}:${taken}`, port: taken };
    },
    async close() {
      await attached?.close();
      const drained = new AbortController();
      const draining = drain(app.server, services.clock, drained.signal);
      await app.close();
      drained.abort();
      await draining;
    },
  };
}

/** A connection that was busy when the server closed would stay open for its keep-alive once it rests. */
async function drain(server: Server, clock: Clock, drained: AbortSignal): Promise<void> {
  const deadline = clock.monotonicMs() + limits.drainMs;
  while (!drained.aborted && clock.monotonicMs() < deadline) {
    server.closeIdleConnections();
    await clock.sleep(limits.drainLookMs, drained);
  }
  if (!drained.aborted) server.closeAllConnections();
}

const guards = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
};

function sendFault(reply: FastifyReply, status: number, fault: GraphQLFormattedError): FastifyReply {
  return reply
    .headers(guards)
    .code(status)
    .type('application/json; charset=utf-8')
    .send(JSON.stringify({ errors: [fault] }));
}

function protectAndMeasure(app: FastifyInstance, { metrics }: GatewayServices): void {
  app.addHook('onRequest', (_, reply, done) => {
    reply.headers(guards);
    done();
  });
  app.addHook('onResponse', (request, reply, done) => {
    // The route and not the path, which is the client's to choose.
    metrics.httpSeconds.observe({ route: request.routeOptions.url ?? 'none', status: reply.statusCode }, reply.elapsedTime / 1_000);
    done();
  });
}

function addOperatingRoutes(app: FastifyInstance, { metrics }: GatewayServices, ready: GatewayOptions['ready']): void {
  app.get('/healthz', () => ({ status: 'ok' }));
  app.get('/readyz', async (_, reply) => {
    const readiness = await ready();
    return reply.code(readiness.ready ? 200 : 503).send({ status: readiness.ready ? 'ready' : 'not ready', ...readiness.details });
  });
  app.get('/metrics', async (_, reply) => reply.header('content-type', metrics.contentType).send(await metrics.text()));
}

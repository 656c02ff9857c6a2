import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import type { GraphQLSchema } from 'graphql';
import { CloseCode, GRAPHQL_TRANSPORT_WS_PROTOCOL, makeServer } from 'graphql-ws';
import type { ServerOptions } from 'graphql-ws';
import { WebSocketServer } from 'ws';
import type { RawData, WebSocket } from 'ws';
import { limits } from '../limits.ts';
import { DatabaseUnavailable } from '../projections/database.ts';
import { clientAddress } from './client-address.ts';
import type { TrustedProxies } from './client-address.ts';
import type { GatewayServices } from './context.ts';
import { resolveSession } from './create-context.ts';
import { Connection, tryAgainCode } from './live/connection.ts';
import { startHeartbeat } from './live/heartbeat.ts';
import type { LiveFeed } from './live/live-feed.ts';
import { createOutbox } from './live/outbox.ts';
import { createOperations } from './live/operations.ts';
import type { OperationArgs, Operations } from './live/operations.ts';
import { ignoreOffer, wantsWebSocket } from './offered-upgrades.ts';

export interface WebSocketOptions {
  readonly path: string;
  readonly schema: GraphQLSchema;
  readonly services: GatewayServices;
  readonly liveFeed: LiveFeed;
  /** Proxies whose word on the address of a client is taken, for rate limits; by default none. */
  readonly trustedProxies?: TrustedProxies;
  /** Milliseconds; for tests that do not want to wait. */
  readonly timings?: { readonly connectionInitMs?: number; readonly pingMs?: number };
}

type ConnectionParams = Readonly<Record<string, unknown>>;

/**
 * graphql-transport-ws on a server that HTTP has already. graphql-ws runs the protocol and its close codes; the messages of subscriptions go past it,
 * straight to the socket. Too slow a client is closed with 1013, and so is one that comes while sessions cannot be looked up; one whose session ends with
 * 4403, and all with 1001 when the gateway stops.
 */
export function attachWebSocket(server: Server, options: WebSocketOptions): { close(): Promise<void> } {
  const { services } = options;
  const operations = createOperations(options);
  const protocol = makeServer(protocolOptions(services, operations, options.timings?.connectionInitMs ?? limits.connectionInitMs));
  const sockets = new WebSocketServer({
    noServer: true,
    // Compression would cost each client 300 KB, and each message more than all else that is done for it.
    perMessageDeflate: false,
    maxPayload: limits.bodyBytesMax,
    maxFragments: limits.messagePartsMax,
    maxBufferedChunks: limits.messagePartsMax,
    // One message a turn: a client that completes an operation and takes its id again at once would meet the end of the old one.
    allowSynchronousEvents: false,
    // Whatever is offered is accepted, so that the client can be told with 4406 what is wrong.
    handleProtocols: (offered) => (offered.has(GRAPHQL_TRANSPORT_WS_PROTOCOL) ? GRAPHQL_TRANSPORT_WS_PROTOCOL : ([...offered][0] ?? false)),
    // Not in the type definitions yet.
    ...{ closeTimeout: limits.socketCloseMs },
  });
  const outbox = createOutbox(services.clock);
  const heartbeat = startHeartbeat(() => sockets.clients, {
    clock: services.clock,
    everyMs: options.timings?.pingMs ?? limits.socketPingMs,
  });

  function upgrade(request: IncomingMessage, stream: Duplex, head: Buffer): void {
    if (!wantsWebSocket(request)) return ignoreOffer(server, request, stream, head);
    stream.on('error', () => stream.destroy());
    if (pathOf(request) !== options.path) return refuse(stream, '404 Not Found');
    if (sockets.clients.size >= limits.socketsMax) return refuse(stream, '503 Service Unavailable');
    sockets.handleUpgrade(request, stream, head, (socket) => open(socket, stream, request));
  }

  function open(socket: WebSocket, stream: Duplex, request: IncomingMessage): void {
    const address = clientAddress(request, options.trustedProxies);
    const connection = new Connection({ socket, stream, address, outbox, onTooSlow: () => services.metrics.slowSubscribers.inc() });
    heartbeat.watch(socket);
    // ws closes the socket by itself, with the code of what was wrong: too large a message, a broken frame, text that is no UTF-8.
    socket.on('error', (error) => services.logger.debug({ code: (error as { code?: string }).code }, 'a WebSocket failed'));
    // Each ping is answered by ws itself; whoever sends them without reading the answers would fill the memory.
    socket.on('ping', () => connection.writeOrGiveUp(undefined));
    const closed = protocol.opened(
      {
        protocol: socket.protocol,
        send: (message) => connection.writeOrGiveUp(message),
        close: (code, reason) => socket.close(code, reason),
        onMessage: (handle) => socket.on('message', (data, isBinary) => void receive(connection, handle, data, isBinary)),
      },
      connection,
    );
    socket.once('close', (code, reason) => void closed(code, reason.toString()).catch((error: unknown) => report(error)));
  }

  async function receive(
    connection: Connection,
    handle: (message: string) => Promise<void>,
    data: RawData,
    isBinary: boolean,
  ): Promise<void> {
    // Whoever was shown the door is not listened to while on the way out.
    if (!connection.isOpen) return;
    const refuseMessage = () => connection.socket.close(CloseCode.BadRequest, 'Invalid message received');
    if (isBinary) return refuseMessage();
    try {
      // Of the three forms that ws knows, its default is a buffer.
      connection.messageBytes = (data as Buffer).length;
      await handle((data as Buffer).toString());
    } catch (error) {
      // The library throws over messages that only a server sends, as if we had sent them to ourselves.
      if (/^Unexpected message of type \w+ received$/.test((error as Error).message)) return refuseMessage();
      // Whoever comes back while the database is away cannot be signed in yet; after an internal error graphql-ws would not come again.
      if (error instanceof DatabaseUnavailable) {
        services.logger.warn({ error: error.message }, 'a WebSocket found the sessions unavailable');
        return connection.socket.close(tryAgainCode, 'OVERLOADED');
      }
      report(error);
      connection.socket.close(CloseCode.InternalServerError, 'Internal server error');
    }
  }

  function report(error: unknown): void {
    services.logger.error({ err: error }, 'a message over a WebSocket could not be handled');
  }

  server.on('upgrade', upgrade);
  return {
    // The server still listens, and whoever comes meanwhile is told 503 by `sockets`; with nobody to upgrade it would be answered as a GET, with 405.
    async close() {
      heartbeat.stop();
      for (const socket of sockets.clients) socket.close(1001, 'Going away');
      const ended = new Promise<void>((resolve) => sockets.close(() => resolve()));
      const grace = new AbortController();
      await Promise.race([ended, services.clock.sleep(limits.socketCloseMs, grace.signal)]);
      grace.abort();
      for (const socket of sockets.clients) socket.terminate();
      await ended;
    },
  };
}

function protocolOptions(
  services: GatewayServices,
  operations: Operations,
  connectionInitMs: number,
): ServerOptions<ConnectionParams, Connection> {
  return {
    connectionInitWaitTimeout: connectionInitMs,
    onConnect(context) {
      const { connectionParams, extra } = context;
      // Kept for as long as the connection, by the library; of all that a client sends nothing but the token is used.
      Reflect.deleteProperty(context, 'connectionParams');
      return signIn(services, extra, connectionParams);
    },
    onClose: ({ extra }) => extra.forgetSession(),
    onSubscribe({ extra, subscriptions }, id, payload) {
      const { query, variables, operationName } = payload;
      // The library keeps the message until the operation ends, and with it all that a client cares to send along.
      Reflect.deleteProperty(payload, 'variables');
      const request = { query, ...(variables ? { variables } : {}), ...(operationName ? { operationName } : {}) };
      return operations.prepare(extra, id, request, Object.keys(subscriptions).length);
    },
    subscribe: (args) => operations.subscribe(args as OperationArgs),
    execute: (args) => operations.execute(args as OperationArgs),
    onNext: (_ctx, _id, _payload, _args, result) => operations.format(result),
    onError: (_ctx, _id, _payload, errors) => operations.tell(errors),
  };
}

/** False is 4403. Without a token one is signed out; with one that opens no session one is refused, so as to notice. */
async function signIn(services: GatewayServices, connection: Connection, params: ConnectionParams | undefined): Promise<boolean> {
  const authorization = params?.['authorization'] ?? params?.['Authorization'];
  if (authorization === undefined || authorization === null) return true;
  if (typeof authorization !== 'string') return false;
  try {
    const session = await resolveSession(services, authorization);
    // It may have gone in the meantime.
    if (session === null || !connection.isOpen) return session === null;
    connection.session = session;
    connection.forgetSession = services.sessions.onEnd(session, () => connection.socket.close(CloseCode.Forbidden, 'Forbidden'));
    return true;
  } catch (error) {
    if ((error as { extensions?: { code?: string } }).extensions?.code === 'UNAUTHENTICATED') return false;
    throw error;
  }
}

function pathOf(request: IncomingMessage): string {
  return (request.url ?? '').split('?', 1)[0] ?? '';
}

/** Closed from this side: HTTP has let go of the connection, with all its time limits, and a client that stays would hold it for ever. */
function refuse(stream: Duplex, status: string): void {
  stream.once('finish', () => stream.destroy());
  stream.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}

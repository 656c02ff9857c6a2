import { readFile } from 'node:fs/promises';
import { connect, ErrorCode, NatsError, nkeyAuthenticator } from 'nats';
import type { ConnectionOptions, NatsConnection } from 'nats';
import { limits } from '../limits.ts';
import type { Random } from '../random.ts';
import { parseNatsAddress } from './nats-address.ts';
import type { NatsAddress } from './nats-address.ts';
import { unreachable } from './nats-unreachable.ts';

export interface NatsOptions {
  /** `nats://host:4222`, `tls://user:password@host`, `nats://token@host`; several servers of one cluster are fine. */
  readonly servers: readonly string[];
  /** Shown by the server's monitoring. */
  readonly name: string;
  /** Paths. With a certificate of who vouches for the server, or one of our own, the connection is a TLS one whatever the address says. */
  readonly files?: {
    /** Holds the seed of an nkey, instead of credentials in the address. */
    readonly nkeyFile?: string;
    readonly caFile?: string;
    readonly certFile?: string;
    readonly keyFile?: string;
  };
  readonly random: Random;
}

/**
 * A connection of its own for whoever asks: once made it reconnects for ever.
 * @throws {NatsUnreachable} when the first connection cannot be made.
 */
export async function openNatsConnection(options: NatsOptions): Promise<NatsConnection> {
  const addresses = options.servers.map(parseNatsAddress);
  const servers = addresses.map((address) => address.server);
  const settings: ConnectionOptions = {
    servers,
    name: options.name,
    timeout: limits.natsTryTimeoutMs,
    pingInterval: limits.natsPingIntervalMs,
    maxPingOut: 2,
    maxReconnectAttempts: -1,
    // A server that comes back may know its users a moment later; giving up would need a person to restart us.
    ignoreAuthErrorAbort: true,
    reconnectDelayHandler: () => limits.natsReconnectPauseMs * (0.5 + options.random.float()),
    // A stack trace for each request would cost more than the request.
    noAsyncTraces: true,
  };
  try {
    Object.assign(settings, await credentials(addresses, options), await secrecy(addresses, options));
    return await firstConnection(settings);
  } catch (cause) {
    throw unreachable(servers, cause);
  }
}

/** Tries again while servers accept connections and do not get to answer: a machine on which everything starts is slow. */
async function firstConnection(settings: ConnectionOptions): Promise<NatsConnection> {
  for (let triesLeft = Math.floor(limits.natsConnectTimeoutMs / limits.natsTryTimeoutMs); ; triesLeft--) {
    try {
      return await connect(settings);
    } catch (cause) {
      if (triesLeft <= 1 || !(cause instanceof NatsError) || !timeouts.includes(cause.code)) throw cause;
    }
  }
}

const timeouts: readonly string[] = [ErrorCode.Timeout, ErrorCode.ConnectionTimeout];

async function credentials(addresses: readonly NatsAddress[], { files }: NatsOptions): Promise<ConnectionOptions> {
  if (files?.nkeyFile !== undefined) {
    const seed = (await readFile(files.nkeyFile, 'utf8')).trim();
    return { authenticator: nkeyAuthenticator(new TextEncoder().encode(seed)) };
  }
  const { user, pass, token } = addresses.find((address) => address.user !== undefined || address.token !== undefined) ?? {};
  return { ...(user !== undefined && { user }), ...(pass !== undefined && { pass }), ...(token !== undefined && { token }) };
}

/** The files are read here, so that one that cannot be read is named. */
async function secrecy(addresses: readonly NatsAddress[], { files }: NatsOptions): Promise<ConnectionOptions> {
  const { caFile, certFile, keyFile } = files ?? {};
  if (!addresses.some((address) => address.tls) && caFile === undefined && certFile === undefined) return {};
  const read = async (path: string | undefined) => (path === undefined ? undefined : await readFile(path, 'utf8'));
  const [ca, cert, key] = [await read(caFile), await read(certFile), await read(keyFile)];
  return { tls: { ...(ca !== undefined && { ca }), ...(cert !== undefined && { cert }), ...(key !== undefined && { key }) } };
}

import { TransportUnreachable } from './transport.ts';

/** Says in words why the first connection failed and what to do. `servers`: host and port, without credentials; codes as npm `nats` has them. */
export function unreachable(servers: readonly string[], cause: unknown): TransportUnreachable {
  const where = servers.map((server) => `nats://${server}`).join(', ');
  return new TransportUnreachable(messageFor(where, cause), { cause });
}

function messageFor(where: string, cause: unknown): string {
  switch (codeOf(cause)) {
    case 'AUTHORIZATION_VIOLATION':
    case 'BAD_AUTHENTICATION':
    case 'BAD_CREDS':
      return `NATS at ${where} refuses the credentials: check the user and password (or the token) in NATS_URL`;
    case 'TLS':
    case 'SERVER_OPT_NA':
      return `no secure connection to NATS at ${where}: check that the server offers TLS and that its certificate is trusted`;
    case 'CONNECTION_REFUSED':
      return `NATS does not answer at ${where} (connection refused): start nats-server there, or leave NATS_URL away to run without it`;
    case 'TIMEOUT':
    case 'CONNECTION_TIMEOUT':
      return `NATS does not answer at ${where} in time: is it a nats-server, and does a firewall let us through?`;
    default:
      return `cannot connect to NATS at ${where} (${cause instanceof Error ? cause.message : 'no reason given'}): check NATS_URL, or leave it away to run without it`;
  }
}

function codeOf(cause: unknown): string | undefined {
  return typeof cause === 'object' && cause !== null && 'code' in cause ? String(cause.code) : undefined;
}

/** No first connection to NATS could be made. The message says where to, why not, and what to do; it holds no credentials. */
export class NatsUnreachable extends Error {
  readonly code = 'NATS_UNREACHABLE';
  override readonly name = 'NatsUnreachable';
}

/** Says in words why the first connection failed and what to do. `servers`: host and port, without credentials; codes as npm `nats` has them. */
export function unreachable(servers: readonly string[], cause: unknown): NatsUnreachable {
  const where = servers.map((server) => `nats://${server}`).join(', ');
  return new NatsUnreachable(messageFor(where, cause), { cause });
}

function messageFor(where: string, cause: unknown): string {
  switch (codeOf(cause)) {
    case 'AUTHORIZATION_VIOLATION':
    case 'BAD_AUTHENTICATION':
    case 'BAD_CREDS':
      return `NATS at ${where} refuses the credentials: check the user and password (or the token) in NATS_URL, or the nkey in NATS_NKEY_FILE`;
    case 'TLS':
    case 'SERVER_OPT_NA':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'CERT_HAS_EXPIRED':
    case 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED':
      return `no secure connection to NATS at ${where}: check that the server offers TLS, that its certificate is trusted (NATS_CA_FILE), and that it trusts ours if it asks for one (NATS_CERT_FILE)`;
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      // npm `nats` never checks a certificate against a number.
      return `the certificate of NATS at ${where} is not made out to that name: write the host as the certificate does, by name`;
    case 'CONNECTION_REFUSED':
      return `NATS does not answer at ${where} (connection refused): start nats-server there, or leave NATS_URL away to run without it`;
    case 'TIMEOUT':
    case 'CONNECTION_TIMEOUT':
      return `NATS does not answer at ${where} in time: is it a nats-server, does a firewall let us through, and does it want a certificate of ours (NATS_CERT_FILE)?`;
    default:
      return `cannot connect to NATS at ${where} (${cause instanceof Error ? cause.message : 'no reason given'}): check NATS_URL, and the files that NATS_NKEY_FILE, NATS_CA_FILE, NATS_CERT_FILE and NATS_KEY_FILE name`;
  }
}

function codeOf(cause: unknown): string | undefined {
  return typeof cause === 'object' && cause !== null && 'code' in cause ? String(cause.code) : undefined;
}

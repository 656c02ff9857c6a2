import { NatsUnreachable } from './nats-unreachable.ts';

/** What a NATS address says: where, as whom, and whether in secret. */
export interface NatsAddress {
  /** `host:port`, without credentials. */
  readonly server: string;
  readonly tls: boolean;
  readonly user?: string;
  readonly pass?: string;
  readonly token?: string;
}

const form = 'the address of a NATS server has the form nats://HOST:4222 or tls://USER:PASSWORD@HOST:4222';

/** Reads `nats://host`, `tls://user:password@host:4222` or `nats://token@host`. @throws {NatsUnreachable} for anything else. */
export function parseNatsAddress(text: string): NatsAddress {
  try {
    const url = new URL(text.includes('://') ? text : `nats://${text}`);
    if (/^(nats|tls):$/.test(url.protocol) && url.hostname !== '') return addressOf(url);
  } catch (cause) {
    throw new NatsUnreachable(form, { cause });
  }
  throw new NatsUnreachable(form);
}

function addressOf(url: URL): NatsAddress {
  const name = decodeURIComponent(url.username);
  const pass = decodeURIComponent(url.password);
  return {
    server: `${url.hostname}:${url.port || '4222'}`,
    tls: url.protocol === 'tls:',
    ...(pass !== '' && { user: name, pass }),
    ...(pass === '' && name !== '' && { token: name }),
  };
}

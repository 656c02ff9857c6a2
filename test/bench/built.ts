import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type * as membership from '../../src/actors/runtime/membership.ts';
import type * as commandClient from '../../src/actors/transport-command-client.ts';
import type * as runNode from '../../src/cli/run-node.ts';
import type * as clock from '../../src/clock.ts';
import type * as config from '../../src/config.ts';
import type * as codec from '../../src/events/codec.ts';
import type * as ids from '../../src/events/ids.ts';
import type * as jetStreamLog from '../../src/events/jetstream-log.ts';
import type * as attemptLimits from '../../src/gateway/attempt-limits-postgres.ts';
import type * as connections from '../../src/gateway/connections.ts';
import type * as gateway from '../../src/gateway/gateway.ts';
import type * as passwords from '../../src/gateway/passwords.ts';
import type * as schema from '../../src/gateway/schema.ts';
import type * as sessions from '../../src/gateway/sessions-postgres.ts';
import type * as logger from '../../src/logger.ts';
import type * as random from '../../src/random.ts';
import type * as natsTransport from '../../src/transport/nats-transport.ts';

interface Modules {
  'cli/run-node.js': typeof runNode;
  'actors/runtime/membership.js': typeof membership;
  'actors/transport-command-client.js': typeof commandClient;
  'clock.js': typeof clock;
  'config.js': typeof config;
  'events/codec.js': typeof codec;
  'events/ids.js': typeof ids;
  'events/jetstream-log.js': typeof jetStreamLog;
  'gateway/attempt-limits-postgres.js': typeof attemptLimits;
  'gateway/connections.js': typeof connections;
  'gateway/gateway.js': typeof gateway;
  'gateway/passwords.js': typeof passwords;
  'gateway/schema.js': typeof schema;
  'gateway/sessions-postgres.js': typeof sessions;
  'logger.js': typeof logger;
  'random.js': typeof random;
  'transport/nats-transport.js': typeof natsTransport;
}

/**
 * A module of the system as `npm run build` compiled it: what is measured is what users run, not what a loader for development
 * makes of the sources.
 */
export async function built<Path extends keyof Modules>(path: Path): Promise<Modules[Path]> {
  const url = new URL(`../../dist/${path}`, import.meta.url);
  if (!existsSync(fileURLToPath(url))) throw new Error(`dist/${path} is missing: run "npm run build" first`);
  return (await import(url.href)) as Modules[Path];
}

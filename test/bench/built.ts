import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type * as runNode from '../../src/cli/run-node.ts';
import type * as config from '../../src/config.ts';
import type * as codec from '../../src/events/codec.ts';
import type * as attemptLimits from '../../src/gateway/attempt-limits-postgres.ts';
import type * as connections from '../../src/gateway/connections.ts';
import type * as gateway from '../../src/gateway/gateway.ts';
import type * as passwords from '../../src/gateway/passwords.ts';
import type * as schema from '../../src/gateway/schema.ts';
import type * as sessions from '../../src/gateway/sessions-postgres.ts';
import type * as logger from '../../src/logger.ts';

interface Modules {
  'cli/run-node.js': typeof runNode;
  'config.js': typeof config;
  'events/codec.js': typeof codec;
  'gateway/attempt-limits-postgres.js': typeof attemptLimits;
  'gateway/connections.js': typeof connections;
  'gateway/gateway.js': typeof gateway;
  'gateway/passwords.js': typeof passwords;
  'gateway/schema.js': typeof schema;
  'gateway/sessions-postgres.js': typeof sessions;
  'logger.js': typeof logger;
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

import { isAbsolute, resolve } from 'node:path';
import { parseTrustedProxies } from './gateway/client-address.ts';
import type { LogLevel } from './logger.ts';
import { logLevels } from './logger.ts';
import { logEngines, roles, settings } from './settings.ts';
import type { LogEngine, Role, Setting, SettingName } from './settings.ts';

/** What the operator decides. Only this file reads the environment. */
export interface Config {
  /** Absolute path. */
  readonly dataDirectory: string;
  /** False: nobody said where, so a node that keeps nothing may as well take another place. */
  readonly dataDirectoryGiven: boolean;
  readonly roles: readonly Role[];
  readonly logEngine: LogEngine;
  /** Copies of a JetStream log, on as many servers. */
  readonly logReplicas: number;
  /** Holds a password, so it is never shown. */
  readonly eventStoreDbUrl: string | undefined;
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** An existing PostgreSQL instead of the embedded one; holds a password, so it is never shown. */
  readonly databaseUrl: string | undefined;
  /** NATS instead of the in-process transport: one or more servers; may hold a password, so it is never shown. */
  readonly natsUrl: readonly string[] | undefined;
  readonly natsFiles: NatsFiles;
  /** Keeps systems apart that share one NATS or EventStoreDB; undefined: the id of an embedded log, which no two systems share, and otherwise `starling`. */
  readonly space: string | undefined;
  readonly logLevel: LogLevel;
  /** Name of the run in the statistics. */
  readonly label: string;
  /** Reverse proxies, as addresses and networks, whose X-Forwarded-For is believed; by default none. */
  readonly trustedProxies: readonly string[];
}

/** Paths of what NATS wants besides an address; what is secret in them stays in them. */
export interface NatsFiles {
  readonly nkeyFile?: string;
  readonly caFile?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
}

/** A setting with a value that cannot be used: the message names it, says what is wrong, and what is allowed. */
export class ConfigError extends Error {
  readonly code = 'CONFIG_INVALID';
  override readonly name = 'ConfigError';
}

/** `flags` by the name of the setting. `interactive`: somebody watches standard error, so that it should show little. @throws {ConfigError} */
export function readConfig(
  flags: Partial<Record<SettingName, string | undefined>> = {},
  environment: NodeJS.ProcessEnv = process.env,
  interactive = process.stderr.isTTY,
  defaults: Partial<Record<SettingName, string>> = {},
): Config {
  const raw = (name: SettingName): string | undefined =>
    flags[name] ?? (environment[settings[name].environment] || undefined) ?? defaults[name];
  const wrong = (name: SettingName, what: string): ConfigError => {
    const setting: Setting = settings[name];
    return new ConfigError(
      `${flags[name] === undefined || setting.flag === undefined ? setting.environment : `--${setting.flag}`}: ${what}`,
    );
  };

  const data = raw('data') ?? './data';
  if (data.trim() === '' || data.includes('\0')) throw wrong('data', 'the path of a folder is wanted');

  const portText = raw('port') ?? '8080';
  const port = /^\d{1,5}$/.test(portText) ? Number(portText) : Number.NaN;
  if (!(port <= 65_535)) throw wrong('port', `"${portText}" is not a port: a whole number from 0 (any free one) to 65535 is`);

  const host = raw('host') ?? '127.0.0.1';
  if (!/^[A-Za-z0-9.:%_-]{1,253}$/.test(host))
    throw wrong('host', `"${host}" is not an address to listen on: a name or an IP address is, such as 127.0.0.1, ::1 or 0.0.0.0`);

  const levelText = raw('logLevel') ?? (interactive ? 'warn' : 'info');
  const logLevel = logLevels.find((level) => level === levelText);
  if (logLevel === undefined) throw wrong('logLevel', `"${levelText}" is not a level: ${logLevels.join(', ')} are`);

  const label = raw('label') ?? 'run';
  if (!/^[^\p{C}]{1,100}$/u.test(label)) throw wrong('label', '1 to 100 printable characters are wanted');

  const space = raw('space');
  if (space !== undefined && !/^[A-Za-z0-9_-]{1,64}$/.test(space))
    throw wrong('space', `"${space}" is no name of a space: 1 to 64 of A-Z a-z 0-9 _ - are`);

  const trustedProxies =
    raw('trustProxy')
      ?.split(',')
      .map((entry) => entry.trim()) ?? [];
  try {
    parseTrustedProxies(trustedProxies);
  } catch (cause) {
    throw wrong('trustProxy', (cause as Error).message);
  }

  // The values below may hold passwords: no error repeats them.
  const databaseUrl = raw('database');
  if (databaseUrl !== undefined && !/^postgres(ql)?:$/.test(protocolOf(databaseUrl))) {
    throw wrong('database', 'not the address of a PostgreSQL: postgresql://USER:PASSWORD@HOST:PORT/DATABASE is the form');
  }
  const natsUrl = raw('nats')
    ?.split(',')
    .map((url) => url.trim());
  if (natsUrl?.some((url) => !/^(nats|tls):$/.test(protocolOf(url)))) {
    throw wrong(
      'nats',
      'not the address of a NATS server: nats://HOST:4222 or tls://USER:PASSWORD@HOST:4222 is the form, several with commas between',
    );
  }
  const eventStoreDbUrl = raw('eventStoreDb');
  if (eventStoreDbUrl !== undefined && !/^esdb(\+discover)?:$/.test(protocolOf(eventStoreDbUrl))) {
    throw wrong('eventStoreDb', 'not the address of an EventStoreDB: esdb://USER:PASSWORD@HOST:2113 is the form');
  }

  const roleNames = raw('roles')
    ?.split(',')
    .map((name) => name.trim());
  const chosenRoles = roleNames === undefined ? roles : roles.filter((role) => roleNames.includes(role));
  const strange = roleNames?.find((name) => !roles.some((role) => role === name));
  if (strange !== undefined) throw wrong('roles', `"${strange}" is not a role: ${roles.join(', ')} are, with commas between`);

  const logEngine = logEngines.find((engine) => engine === (raw('log') ?? 'lmdb'));
  if (logEngine === undefined) throw wrong('log', `"${raw('log')}" is not an event log: ${logEngines.join(', ')} are`);
  if (logEngine === 'jetstream' && natsUrl === undefined) {
    const asked = flags.log ?? environment[settings.log.environment];
    throw asked
      ? wrong('log', 'jetstream needs NATS_URL, the address of its servers')
      : wrong('nats', 'is needed: the address of the NATS servers of the cluster');
  }
  if (logEngine === 'eventstoredb' && eventStoreDbUrl === undefined)
    throw wrong('log', 'eventstoredb needs EVENTSTOREDB_URL, the address of its server');

  const replicas = raw('replicas') ?? '1';
  if (!/^[135]$/.test(replicas)) throw wrong('replicas', `"${replicas}" is not a number of copies: 1, 3 or 5 are`);

  const file = (name: SettingName) => {
    const path = raw(name);
    return path === undefined ? undefined : resolve(path);
  };
  const [nkeyFile, caFile, certFile, keyFile] = [file('natsNkey'), file('natsCa'), file('natsCert'), file('natsKey')];
  if ((certFile === undefined) !== (keyFile === undefined))
    throw wrong('natsCert', 'a certificate and its key belong together: NATS_KEY_FILE');
  return {
    dataDirectory: isAbsolute(data) ? data : resolve(data),
    dataDirectoryGiven: raw('data') !== undefined,
    roles: chosenRoles,
    logEngine,
    logReplicas: Number(replicas),
    eventStoreDbUrl,
    natsFiles: { ...(nkeyFile && { nkeyFile }), ...(caFile && { caFile }), ...(certFile && { certFile }), ...(keyFile && { keyFile }) },
    host,
    port,
    databaseUrl,
    natsUrl,
    space,
    logLevel,
    label,
    trustedProxies,
  };
}

/** Where to look for programs: PATH and what overrides it. */
export function readProgramSearch(environment: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
  return { PATH: environment['PATH'], STARLING_NATS_SERVER: environment['STARLING_NATS_SERVER'] };
}

/** The environment with these settings alone, or none, and the names of those that somebody has set besides. */
export function narrowEnvironment(
  names: readonly SettingName[],
  environment: NodeJS.ProcessEnv = process.env,
): { readonly environment: NodeJS.ProcessEnv; readonly unused: readonly string[] } {
  const kept = new Set<string>(names.map((name) => settings[name].environment));
  const others = new Set<string>(
    Object.values(settings).flatMap((setting) => (kept.has(setting.environment) ? [] : [setting.environment])),
  );
  return {
    environment: Object.fromEntries(Object.entries(environment).filter(([name]) => !others.has(name))),
    unused: [...others].filter((name) => environment[name]),
  };
}

/** Colours and moving bars only where somebody sees them and has not asked for quiet (https://no-color.org). */
export function readTerminalPreferences(environment: NodeJS.ProcessEnv = process.env): {
  readonly color: boolean;
  readonly motion: boolean;
} {
  const dumb = environment['TERM'] === 'dumb';
  return { color: !environment['NO_COLOR'] && !dumb, motion: !dumb && !environment['CI'] };
}

function protocolOf(text: string): string {
  try {
    return new URL(text).protocol;
  } catch {
    return '';
  }
}

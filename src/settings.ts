import { logLevels } from './logger.ts';

/** What a node may do; in any mix. */
export const roles = ['gateway', 'actors', 'projections'] as const;
export type Role = (typeof roles)[number];

/** Where the events are: in the data directory (LMDB), or on servers that all nodes share. */
export const logEngines = ['lmdb', 'jetstream', 'eventstoredb'] as const;
export type LogEngine = (typeof logEngines)[number];

export interface Setting {
  readonly environment: string;
  /** Absent for what holds a password: flags are visible to every user of the machine. */
  readonly flag?: string;
  readonly placeholder: string;
  readonly says: string;
}

/** Every setting; `--help` and the README list these. A flag goes before the environment. */
export const settings = {
  data: { environment: 'STARLING_DATA', flag: 'data', placeholder: 'DIR', says: 'data directory (default ./data)' },
  port: {
    environment: 'STARLING_PORT',
    flag: 'port',
    placeholder: 'PORT',
    says: 'port of the gateway; 0 takes any free one (default 8080)',
  },
  host: {
    environment: 'STARLING_HOST',
    flag: 'host',
    placeholder: 'HOST',
    says: 'address to listen on (default 127.0.0.1; 0.0.0.0 for all)',
  },
  logLevel: {
    environment: 'STARLING_LOG_LEVEL',
    flag: 'log-level',
    placeholder: 'LEVEL',
    says: `least level that is logged: ${logLevels.join(', ')}`,
  },
  label: { environment: 'STARLING_LABEL', flag: 'label', placeholder: 'TEXT', says: 'name of this run in the statistics (default "run")' },
  space: {
    environment: 'STARLING_SPACE',
    flag: 'space',
    placeholder: 'NAME',
    says: 'keeps systems apart that share servers (default: the id of an embedded log, otherwise "starling")',
  },
  roles: {
    environment: 'STARLING_ROLES',
    flag: 'roles',
    placeholder: 'LIST',
    says: `what this node does: ${roles.join(',')} (default: all)`,
  },
  log: { environment: 'STARLING_LOG', flag: 'log', placeholder: 'ENGINE', says: `event log: ${logEngines.join(', ')} (default lmdb)` },
  replicas: {
    environment: 'STARLING_LOG_REPLICAS',
    flag: 'replicas',
    placeholder: 'NUMBER',
    says: 'copies of a JetStream log, each on a server of its own: 1, 3 or 5 (default 1)',
  },
  trustProxy: {
    environment: 'STARLING_TRUST_PROXY',
    flag: 'trust-proxy',
    placeholder: 'LIST',
    says: 'reverse proxies whose X-Forwarded-For is believed: addresses and networks such as 127.0.0.1,10.0.0.0/8 (default: none)',
  },
  database: { environment: 'DATABASE_URL', placeholder: 'URL', says: 'an existing PostgreSQL instead of the embedded one' },
  nats: { environment: 'NATS_URL', placeholder: 'URL', says: 'NATS as the transport; several servers with commas between' },
  natsNkey: { environment: 'NATS_NKEY_FILE', placeholder: 'FILE', says: 'holds the seed of an nkey for NATS' },
  natsCa: { environment: 'NATS_CA_FILE', placeholder: 'FILE', says: 'certificate of who vouches for NATS (TLS)' },
  natsCert: { environment: 'NATS_CERT_FILE', placeholder: 'FILE', says: 'certificate of this client for NATS (TLS)' },
  natsKey: { environment: 'NATS_KEY_FILE', placeholder: 'FILE', says: 'private key of that certificate' },
  eventStoreDb: { environment: 'EVENTSTOREDB_URL', placeholder: 'URL', says: 'EventStoreDB, as esdb://HOST:2113?tls=false' },
} as const satisfies Record<string, Setting>;
export type SettingName = keyof typeof settings;

/** Servers that a system may stand on, and how they are told who asks. */
export const serverSettings = [
  'database',
  'nats',
  'natsNkey',
  'natsCa',
  'natsCert',
  'natsKey',
  'eventStoreDb',
] as const satisfies readonly SettingName[];

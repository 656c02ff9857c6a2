import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { validate } from 'dockerfile-utils';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import * as actors from '../../src/cli/actors.ts';
import { parseArguments } from '../../src/cli/arguments.ts';
import { isOlder, natsServerVersionMin } from '../../src/cli/cluster/nats-server-binary.ts';
import * as start from '../../src/cli/start.ts';
import { readConfig } from '../../src/config.ts';
import type { Config } from '../../src/config.ts';
import { limits } from '../../src/limits.ts';
import { settings } from '../../src/settings.ts';

// What can be said about the files of docker/ without an engine: docs/docker.md tells what was tried besides.

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = join(root, 'docker');
const text = (name: string): string => readFileSync(join(folder, name), 'utf8');

interface Service {
  readonly image: string;
  readonly build?: { readonly context: string; readonly dockerfile: string };
  readonly command?: readonly string[];
  readonly user?: string;
  readonly init?: boolean;
  readonly read_only?: boolean;
  readonly cap_drop?: readonly string[];
  readonly restart?: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly networks?: unknown;
  readonly logging?: unknown;
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly stop_grace_period?: string;
  readonly deploy?: { readonly replicas?: number; readonly resources?: { readonly limits?: { memory?: string; cpus?: string } } };
  readonly depends_on?: Readonly<Record<string, unknown>>;
}

interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, unknown>>;
  readonly networks?: Readonly<Record<string, { readonly internal?: boolean }>>;
}

const read = (name: string): Compose => parse(text(name), { merge: true }) as Compose;
const base = read('compose.yaml');
const override = read('compose.eventstoredb.yaml');

/** As Compose does: the settings of the second file are added to those of the first. */
function withOverride(): Compose {
  const services = { ...base.services };
  for (const [name, more] of Object.entries(override.services)) {
    const found = services[name];
    const both = { environment: { ...found?.environment, ...more.environment }, depends_on: { ...found?.depends_on, ...more.depends_on } };
    services[name] = { ...found, ...more, ...both };
  }
  return { services, volumes: { ...base.volumes, ...override.volumes }, ...(base.networks && { networks: base.networks }) };
}

const engines = [
  ['jetstream', base],
  ['eventstoredb', withOverride()],
] as const;
const ours = ({ services }: Compose): [string, Service][] => Object.entries(services).filter(([, { build }]) => build !== undefined);

const example = Object.fromEntries([...text('.env.example').matchAll(/^([A-Z_]+)=(.*)$/gm)].map((match) => [match[1]!, match[2]!]));
const variable = /\$\{([A-Z_]+)(?::([-?])([^}]*))?\}/g;

/** `${NAME}`, `${NAME:-otherwise}` and `${NAME:?what to do}` of Compose. @throws where a value is wanted and there is none. */
function filled(value: string, values: Readonly<Record<string, string>>): string {
  return value.replace(variable, (_, name: string, sign?: string, rest?: string) => {
    if (values[name]) return values[name];
    if (sign === '-') return rest!;
    throw new Error(`${name}: ${rest ?? 'has no value'}`);
  });
}

const passwords = { ...example, POSTGRES_PASSWORD: '0123abc', NATS_PASSWORD: '12e45678' };

function configOf(service: Service): Config {
  const [name = '', ...rest] = service.command ?? [];
  const command = { start, actors }[name];
  if (command === undefined) throw new Error(`there is no command ${name}`);
  const environment = Object.fromEntries(Object.entries(service.environment ?? {}).map(([key, value]) => [key, filled(value, passwords)]));
  return readConfig(parseArguments(command.spec, rest).flags, environment, false);
}

describe('the image', () => {
  const dockerfile = text('Dockerfile');
  const lines = dockerfile.split('\n');
  const argumentsOf = (instruction: string): string[] =>
    lines.filter((line) => line.startsWith(`${instruction} `)).map((line) => line.slice(instruction.length + 1));

  it('lints clean', () => {
    const found = validate(dockerfile).map(({ range, message }) => [range.start.line + 1, message]);
    expect(found).toEqual([]);
    expect(validate('FROM node:22\nHEALTHCHECK --often CMD true\n')).not.toEqual([]);
  });

  it('runs as an ordinary user, on a base of a named version', () => {
    expect(argumentsOf('USER').at(-1)).toMatch(/^[1-9]\d*:[1-9]\d*$/);
    expect(argumentsOf('ARG')).toContainEqual(expect.stringMatching(/^NODE=\d+\.\d+\.\d+-bookworm-slim$/));
    const project = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { engines: { node: string } };
    const node = /NODE=([\d.]+)/.exec(dockerfile)![1]!;
    expect(isOlder(node, `${/\d+\.\d+/.exec(project.engines.node)![0]}.0`)).toBe(false);
  });

  it('installs without running scripts of packages', () => {
    const installs = argumentsOf('RUN').filter((line) => line.includes('npm '));
    expect(installs).toHaveLength(2);
    for (const line of installs) expect(line).toMatch(/^npm ci .*--ignore-scripts$/);
  });

  it('copies only what is there and is let through by .dockerignore', () => {
    const ignore = readFileSync(join(root, '.dockerignore'), 'utf8').split('\n');
    expect(ignore.find((line) => line !== '' && !line.startsWith('#'))).toBe('*');
    const sources = argumentsOf('COPY').flatMap((line) => (line.startsWith('--from') ? [] : line.split(' ').slice(0, -1)));
    expect(sources).not.toEqual([]);
    for (const source of sources) expect(existsSync(join(root, source)), source).toBe(true);
    expect(sources.toSorted()).toEqual(expect.arrayContaining(ignore.filter((line) => line.startsWith('!')).map((line) => line.slice(1))));
    expect(sources.filter((source) => !ignore.includes(`!${source}`))).toEqual([]);
  });

  it('sets only what Starling reads', () => {
    const names = argumentsOf('ENV').flatMap((line) => line.split(' ').map((pair) => pair.split('=')[0]!));
    const known = new Set<string>([...Object.values(settings).map((setting) => setting.environment), 'NODE_ENV']);
    expect(names.filter((name) => !known.has(name))).toEqual([]);
  });
});

describe.each(engines)('the cluster with %s', (engine, compose) => {
  const services = Object.entries(compose.services);

  it.each(services)('%s is watched, limited, started again, and its log is bounded', (_, service) => {
    expect(service.healthcheck?.test.length).toBeGreaterThan(1);
    expect(service.deploy?.resources?.limits?.memory).toMatch(/^\d+[mg]$/);
    expect(service.deploy?.resources?.limits?.cpus).toMatch(/^\d+(\.\d+)?$/);
    expect(service.restart).toBe('unless-stopped');
    expect(service.logging).toMatchObject({ options: { 'max-size': expect.any(String), 'max-file': expect.any(String) } });
    expect(service.image).toMatch(/:(?!latest)[\w.-]+$/);
  });

  it('is reachable through the balancer alone, and from this machine alone unless somebody decides otherwise', () => {
    const published = services.flatMap(([name, { ports }]) => (ports ?? []).map((port) => [name, filled(port, {})]));
    expect(published).toEqual([['balancer', '127.0.0.1:8080:8080']]);
    expect(compose.networks?.['back']?.internal).toBe(true);
    for (const [name, { networks }] of services) if (name !== 'balancer' && name !== 'gateway') expect(networks, name).toEqual(['back']);
  });

  it('mounts what is there, and keeps its data in volumes with names', () => {
    for (const [name, { volumes }] of services) {
      for (const [source = ''] of (volumes ?? []).map((volume) => volume.split(':'))) {
        const found = source.startsWith('.') ? existsSync(join(folder, source)) : source in compose.volumes;
        expect(found, `${name}: ${source}`).toBe(true);
      }
    }
    for (const [name, { depends_on: needs }] of services)
      for (const needed of Object.keys(needs ?? {})) expect(compose.services, name).toHaveProperty(needed);
  });

  it.each(ours(compose))('%s runs our image with fewer rights, and a configuration that Starling takes', (_, service) => {
    const file = join(folder, service.build!.context, service.build!.dockerfile);
    expect(file).toBe(join(folder, 'Dockerfile'));
    expect(service).toMatchObject({ init: true, read_only: true, cap_drop: ['ALL'] });
    expect(service.user).toBeUndefined();
    expect(Number.parseInt(service.stop_grace_period ?? '', 10) * 1_000).toBeGreaterThan(limits.stopTimeoutMs);

    const known = new Set<string>([...Object.values(settings).map((setting) => setting.environment), 'NODE_OPTIONS']);
    expect(Object.keys(service.environment ?? {}).filter((name) => !known.has(name))).toEqual([]);
    const config = configOf(service);
    expect(config).toMatchObject({ logEngine: engine, logReplicas: 3, space: 'starling' });
    expect(config.natsUrl).toHaveLength(3);
    const heapMb = Number(/--max-old-space-size=(\d+)/.exec(service.environment?.['NODE_OPTIONS'] ?? '')?.[1]);
    expect(service.deploy?.resources?.limits?.memory).toBe('1g');
    expect(heapMb).toBeLessThan(1_024);
  });

  it('has every role, and more than one node for each', () => {
    const nodes = ours(compose).map(([name, service]) => [name, name === 'actors' ? ['actors'] : configOf(service).roles] as const);
    expect(Object.fromEntries(nodes)).toEqual({ gateway: ['gateway'], actors: ['actors'], projections: ['projections'] });
    expect(ours(compose).map(([, service]) => service.deploy?.replicas)).toEqual([2, 3, 2]);
  });

  it('wants passwords, and says where they belong', () => {
    const [, gateway] = ours(compose)[0]!;
    expect(() => filled(gateway.environment!['NATS_URL']!, example)).toThrow(/copy docker\/\.env\.example to docker\/\.env/);
    expect(() => filled(gateway.environment!['DATABASE_URL']!, example)).toThrow(/copy docker\/\.env\.example to docker\/\.env/);
    expect(example).toMatchObject({ POSTGRES_PASSWORD: '', NATS_PASSWORD: '' });
  });
});

it('explains every variable in .env.example, with the default that holds without it', () => {
  const used = [...`${text('compose.yaml')}\n${text('compose.eventstoredb.yaml')}`.matchAll(variable)];
  expect([...new Set(used.map((match) => match[1]!))].toSorted()).toEqual(Object.keys(example).toSorted());
  for (const [, name, sign, rest] of used) if (sign === '-') expect(rest, name).toBe(example[name!]);
});

it('believes the balancer, at its fixed address, and nobody else about where a request comes from', () => {
  const front = base.services['balancer']!.networks as { front: { ipv4_address: string } };
  expect(configOf(base.services['gateway']!).trustedProxies).toEqual([filled(front.front.ipv4_address, {})]);
});

it('takes a NATS that keeps what two writers race for, and gives each server all that its configuration asks', () => {
  const servers = Object.entries(base.services).filter(([, { image }]) => image.startsWith('nats:'));
  expect(servers).toHaveLength(3);
  const wanted = [...text('nats.conf').matchAll(/\$(\w+)/g)].map((match) => match[1]!);
  for (const [name, { image, environment }] of servers) {
    expect(isOlder(/nats:([\d.]+)/.exec(image)![1]!, natsServerVersionMin)).toBe(false);
    for (const asked of wanted) expect(environment, name).toHaveProperty(asked);
    expect(environment?.['SERVER_NAME']).toBe(name);
  }
});

it('has a balancer that finds all gateways and waits at least as long as they work', () => {
  const balancer = text('haproxy.cfg');
  const seconds = (name: string): number => Number(new RegExp(`timeout ${name} (\\d+)s`).exec(balancer)?.[1]);
  expect(seconds('server') * 1_000).toBeGreaterThan(limits.requestTimeoutMs);
  expect(seconds('client') * 1_000).toBeGreaterThan(limits.requestTimeoutMs);
  expect(seconds('tunnel') * 1_000).toBeGreaterThan(2 * limits.socketPingMs);
  expect(seconds('http-keep-alive') * 1_000).toBeLessThan(limits.keepAliveTimeoutMs);
  expect(balancer).toMatch(/server-template gateway- 16 gateway:8080 check /);
});

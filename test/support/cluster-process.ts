import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { launchStarling } from './starling-process.ts';
import { makeTempDir } from './temp-dir.ts';
import { eventually } from './wait-for.ts';

export interface ClusterOptions {
  readonly gateways?: number;
  readonly actors?: number;
  readonly projections?: number;
}

/** A whole cluster as `starling cluster` runs it, with handles to break it. */
export interface ClusterProcess {
  /** Of the balancer. */
  readonly url: string;
  readonly webSocketUrl: string;
  readonly gatewayUrls: readonly string[];
  readonly natsUrls: readonly string[];
  /** What a command needs to work on the cluster from outside. */
  readonly env: Readonly<Record<string, string>>;
  readonly directory: string;
  output(): string;
  /** The last lines of their logs in which nodes told of an error. */
  errors(): readonly string[];
  /** Of the process with that name (`actors-1`, `nats-2`, `postgresql`, …) as it was started last. */
  pidOf(name: string): number;
  signal(name: string, signal: NodeJS.Signals): void;
  /** kill -9 as soon as it runs, and waits until it is gone; the launcher starts it again a few seconds later. */
  kill(name: string): Promise<void>;
  /** Resolves when it runs with another pid than this one. */
  restarted(name: string, before: number): Promise<void>;
  /** As Ctrl-C does; the exit code. */
  stop(): Promise<number | NodeJS.Signals>;
}

/** Starts the built program on free ports and waits until its gateways are ready. */
export async function startCluster(options: ClusterOptions = {}): Promise<ClusterProcess> {
  const directory = await makeTempDir('cluster');
  const counts = Object.entries(options).flatMap(([name, count]) => [`--${name}`, String(count)]);
  const args = ['cluster', '--data', directory.path, '--port', '0', '--nats-port', '0', '--log-level', 'info', ...counts];
  const { child, output, ended } = launchStarling(args);
  // The output is kept for a while only: a long run outlives it.
  const pids = new Map<string, number>();
  const errors: string[] = [];
  for (const input of [child.stdout!, child.stderr!]) {
    createInterface({ input }).on('line', (line) => {
      const said = /^(\S+) runs with pid (\d+)$/.exec(line);
      if (said) pids.set(said[1]!, Number(said[2]));
      if (line.includes('"level":50')) errors.push(line);
      if (errors.length > 100) errors.shift();
    });
  }
  let over: number | NodeJS.Signals | undefined;
  void ended.then((outcome) => (over = outcome));

  const find = (pattern: RegExp) => {
    const found = pattern.exec(output())?.[1];
    if (found === undefined) throw new Error(`the cluster does not say ${pattern}: ${output()}`);
    return found;
  };
  const stop = async () => {
    child.kill('SIGTERM');
    const outcome = await ended;
    await directory.remove();
    return outcome;
  };
  try {
    await eventually(() => over !== undefined || /^Ctrl-C stops it/m.test(output()), 'the cluster is ready', 120_000);
    if (over !== undefined) throw new Error(`it ended with ${over}`);
  } catch (cause) {
    await stop();
    throw new Error(`the cluster did not start: ${output()}`, { cause });
  }
  const url = find(/GraphQL +(http:\/\/\S+)\/graphql/);
  const env = { NATS_URL: find(/ NATS_URL=(\S+)/), DATABASE_URL: find(/DATABASE_URL='(.+)'/), STARLING_LOG: 'jetstream' };

  const pidOf = (name: string): number => {
    // The launcher starts PostgreSQL again without a word about it.
    if (name === 'postgresql') return Number(readFileSync(join(directory.path, 'postgres/cluster/postmaster.pid'), 'utf8').split('\n')[0]);
    const pid = pids.get(name);
    if (pid === undefined) throw new Error(`there is no ${name}`);
    return pid;
  };
  const isGone = async (pid: number) => {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
    return stat === '' || / Z /.test(stat);
  };
  return {
    url,
    webSocketUrl: `${url.replace('http', 'ws')}/graphql`,
    gatewayUrls: find(/Gateways +(.+)/).split(/\s+/),
    natsUrls: env.NATS_URL.split(','),
    env,
    directory: directory.path,
    output,
    errors: () => errors,
    pidOf,
    signal: (name, signal) => void process.kill(pidOf(name), signal),
    async kill(name) {
      // One that was just starting when the database was killed has given up, and is started again.
      const pid = await eventually(async () => !(await isGone(pidOf(name))) && pidOf(name), `${name} runs`, 60_000);
      process.kill(pid, 'SIGKILL');
      await eventually(() => isGone(pid), `${name} is gone`);
    },
    restarted: (name, before) => eventually(() => pidOf(name) !== before, `${name} is started again`, 60_000).then(() => undefined),
    stop,
  };
}

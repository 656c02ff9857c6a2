import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePorts } from './free-ports.ts';
import type { Clock } from '../../clock.ts';
import { limits } from '../../limits.ts';
import type { Processes, Program } from './processes.ts';

export interface NatsServers {
  readonly urls: readonly string[];
  readonly programs: readonly Program[];
  /** Are all one cluster, is one left out that the others know nothing of, or does nobody lead them yet? */
  formation(): Promise<'whole' | 'forming' | { readonly leftOut: string }>;
}

/**
 * Sees to it that all servers become one cluster: of those that start for the first time, all at once, about one in thirty clusters of version 2.10.27
 * leaves one out for good, which by its health knows nothing of it. A restart lets it in.
 */
export async function letAllIn(servers: NatsServers, processes: Processes, clock: Clock, signal: AbortSignal): Promise<void> {
  let suspect: string | undefined;
  while (!signal.aborted) {
    await clock.sleep(limits.clusterFormationPollMs, signal);
    const found = await servers.formation();
    if (found === 'whole') return;
    const leftOut = found === 'forming' ? undefined : found.leftOut;
    if (leftOut !== undefined && leftOut === suspect) processes.restart(leftOut);
    suspect = leftOut === suspect ? undefined : leftOut;
  }
}

/** Configures NATS servers that form one JetStream cluster on the loopback, each with its store below `directory`. `ports`: of the clients. */
export async function configureNatsServers(
  binary: string,
  options: { directory: string; ports: readonly number[]; env: NodeJS.ProcessEnv },
): Promise<NatsServers> {
  const { directory, ports, env } = options;
  const routes = await freePorts(2 * ports.length);
  const monitors = routes.splice(ports.length);
  const programs = await Promise.all(
    ports.map(async (port, index) => {
      const name = `nats-${index + 1}`;
      const folder = join(directory, name);
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const file = join(folder, 'nats.conf');
      const lines = [
        `server_name: ${name}`,
        `listen: "127.0.0.1:${port}"`,
        // All of them are on one machine, which loses power as a whole: what is acknowledged is on disk a second later.
        `http: "127.0.0.1:${monitors[index]}"`,
        `jetstream { store_dir: ${JSON.stringify(folder)}, sync_interval: "1s" }`,
        `cluster { name: starling, listen: "127.0.0.1:${routes[index]}", routes: [${routes.map((route) => `"nats://127.0.0.1:${route}"`).join(', ')}] }`,
      ];
      await writeFile(file, `${lines.join('\n')}\n`, { mode: 0o600 });
      // Most of what it says is the same at every start.
      return { name, command: binary, args: ['-c', file], env, shows: (line: string) => !line.includes('[INF]') };
    }),
  );
  /** Names of the servers that are part of the cluster, as one of them knows it. */
  async function members(monitor: number): Promise<string[] | undefined> {
    try {
      const { meta_cluster: meta } = (await (await fetch(`http://127.0.0.1:${monitor}/jsz`)).json()) as {
        meta_cluster?: { leader?: string; replicas?: { name: string }[] };
      };
      return meta?.leader && meta.replicas ? [meta.leader, ...meta.replicas.map(({ name }) => name)] : undefined;
    } catch {
      return undefined;
    }
  }

  async function formation(): ReturnType<NatsServers['formation']> {
    const known = (await Promise.all(monitors.map(members))).find((names) => names !== undefined);
    if (known === undefined) return 'forming';
    const leftOut = programs.map(({ name }) => name).find((name) => !known.includes(name));
    return leftOut === undefined ? 'whole' : { leftOut };
  }

  return { formation, urls: ports.map((port) => `nats://127.0.0.1:${port}`), programs };
}

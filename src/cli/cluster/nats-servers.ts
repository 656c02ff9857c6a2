import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePorts } from './free-ports.ts';
import type { Clock } from '../../clock.ts';
import { limits } from '../../limits.ts';
import type { Processes, Program } from './processes.ts';

export interface NatsServers {
  readonly urls: readonly string[];
  readonly programs: readonly Program[];
  formation(): Promise<Formation>;
}

/** Are all that answer one cluster, is one of them left out, does nobody lead them though all are there, or is it too early to tell? */
export type Formation = 'whole' | 'forming' | 'leaderless' | { readonly leftOut: string };

/** Of `/jsz` of the server that leads all others. */
interface MetaCluster {
  readonly leader?: string;
  /** `active`: nanoseconds since it has heard from the other. */
  readonly replicas?: readonly { readonly name: string; readonly active: number }[];
}

/**
 * Sees to it that all servers are one cluster, and stay one. Three things are known to go wrong with version 2.10.27. Of clusters whose servers start for the first
 * time, all at once, about one in thirty leaves one out for good, which by its health knows nothing of it; and in one of some 350 all are connected and agree on no
 * leader, ever. One in a hundred servers that are started again hears the others and is not heard by them: it never votes, nor has what they have. Another
 * restart lets in who is left out; one of all, who can take nothing anyway, brings a leader.
 */
export async function keepTogether(
  servers: Pick<NatsServers, 'formation'> & { readonly programs: readonly Pick<Program, 'name'>[] },
  processes: Pick<Processes, 'restart'>,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  let suspect: string | undefined;
  let leaderlessPolls = 0;
  while (!signal.aborted) {
    await clock.sleep(limits.clusterFormationPollMs, signal);
    const found = await servers.formation();
    const leftOut = typeof found === 'string' ? undefined : found.leftOut;
    if (leftOut !== undefined && leftOut === suspect) processes.restart(leftOut);
    suspect = leftOut === suspect ? undefined : leftOut;
    leaderlessPolls = found === 'leaderless' ? leaderlessPolls + 1 : 0;
    if (leaderlessPolls < limits.clusterLeaderlessPolls) continue;
    for (const { name } of servers.programs) processes.restart(name);
    leaderlessPolls = 0;
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
      // Most of what it says is the same at every start, and again for as long as another one is away.
      const shows = (line: string) => !/\[INF\]|Error trying to connect to route/.test(line);
      return { name, command: binary, args: ['-c', file], env, shows };
    }),
  );
  const formation = async () =>
    formationOf(await Promise.all(programs.map(async ({ name }, index) => ({ name, meta: await metaOf(monitors[index]!) }))));
  return { formation, urls: ports.map((port) => `nats://127.0.0.1:${port}`), programs };
}

/** What a server says of the cluster: nothing while it is not there, or still reads its store. */
async function metaOf(monitor: number): Promise<MetaCluster | undefined> {
  try {
    const signal = AbortSignal.timeout(limits.clusterFormationPollMs / 2);
    const answer = (await (await fetch(`http://127.0.0.1:${monitor}/jsz`, { signal })).json()) as { meta_cluster?: MetaCluster };
    return answer.meta_cluster;
  } catch {
    return undefined;
  }
}

/** The one that leads knows whom it has heard from lately; one that says nothing of a cluster is not left out, but away. */
export function formationOf(servers: readonly { readonly name: string; readonly meta: MetaCluster | undefined }[]): Formation {
  const leader = servers.find(({ meta }) => meta?.leader !== undefined && meta.replicas !== undefined);
  if (leader === undefined) return servers.every(({ meta }) => meta !== undefined) ? 'leaderless' : 'forming';
  const isHeard = (name: string): boolean => {
    const known = leader.meta?.replicas?.find((replica) => replica.name === name);
    return name === leader.meta?.leader || (known !== undefined && known.active < limits.clusterUnheardMs * 1e6);
  };
  const leftOut = servers.find(({ name, meta }) => meta !== undefined && !isHeard(name));
  return leftOut === undefined ? 'whole' : { leftOut: leftOut.name };
}

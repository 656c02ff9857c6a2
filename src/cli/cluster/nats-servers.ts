import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePorts } from './free-ports.ts';
import type { Program } from './processes.ts';

export interface NatsServers {
  readonly urls: readonly string[];
  readonly programs: readonly Program[];
}

/** Configures NATS servers that form one JetStream cluster on the loopback, each with its store below `directory`. `ports`: of the clients. */
export async function configureNatsServers(
  binary: string,
  options: { directory: string; ports: readonly number[]; env: NodeJS.ProcessEnv },
): Promise<NatsServers> {
  const { directory, ports, env } = options;
  const routes = await freePorts(ports.length);
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
        `jetstream { store_dir: ${JSON.stringify(folder)}, sync_interval: "1s" }`,
        `cluster { name: starling, listen: "127.0.0.1:${routes[index]}", routes: [${routes.map((route) => `"nats://127.0.0.1:${route}"`).join(', ')}] }`,
      ];
      await writeFile(file, `${lines.join('\n')}\n`, { mode: 0o600 });
      // Most of what it says is the same at every start.
      return { name, command: binary, args: ['-c', file], env, shows: (line: string) => !line.includes('[INF]') };
    }),
  );
  return { urls: ports.map((port) => `nats://127.0.0.1:${port}`), programs };
}

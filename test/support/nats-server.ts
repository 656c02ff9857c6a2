import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePorts } from '../../src/cli/cluster/free-ports.ts';
import { findNatsServer } from '../../src/cli/cluster/nats-server-binary.ts';
import { endWithRunner } from './end-with-runner.ts';
import { makeTempDir } from './temp-dir.ts';
import { eventually } from './wait-for.ts';

export interface NatsServerOptions {
  readonly user?: string;
  readonly pass?: string;
  readonly token?: string;
  readonly maxPayloadBytes?: number;
  readonly jetStream?: boolean;
  /** More lines of its configuration, in its own language. */
  readonly config?: string;
}

export interface NatsServer {
  /** `nats://127.0.0.1:PORT`, without credentials; the same after a restart. */
  readonly url: string;
  /** Ends it as an operator would. */
  stop(): Promise<void>;
  /** Ends it as a power cut would. */
  kill(): Promise<void>;
  /** Holds it in mid-air (SIGSTOP), as a machine that is overloaded or a cable that is pulled; `resume` lets it go on. */
  pause(): void;
  resume(): void;
  /** Starts it again, on the same port and store, after `stop` or `kill`; with other options where some are given. */
  restart(changed?: NatsServerOptions): Promise<void>;
  /** Takes a changed configuration while it runs; those who are connected stay. It has not happened yet when this returns. */
  reload(changed: NatsServerOptions): Promise<void>;
  /** Stops it and removes its files. */
  remove(): Promise<void>;
}

/** A real nats-server on a free port of the loopback. @throws where none is new enough. */
export async function startNatsServer(options: NatsServerOptions = {}): Promise<NatsServer> {
  const found = findNatsServer(process.env);
  if ('problem' in found) throw new Error(`${found.problem}: run "npx tsx scripts/nats-server.ts"`);
  const directory = await makeTempDir('nats');
  const configFile = join(directory.path, 'nats.conf');
  await writeFile(configFile, configOf(options, directory.path));
  const [port] = (await freePorts(1)) as [number];
  let child = await launch(found.path, configFile, port);

  const end = async (signal: NodeJS.Signals) => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await ended;
  };
  return {
    url: `nats://127.0.0.1:${port}`,
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    pause: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
    async restart(changed) {
      await end('SIGTERM');
      if (changed) await writeFile(configFile, configOf(changed, directory.path));
      child = await launch(found.path, configFile, port);
    },
    async reload(changed) {
      await writeFile(configFile, configOf(changed, directory.path));
      child.kill('SIGHUP');
    },
    async remove() {
      await end('SIGKILL');
      await directory.remove();
    },
  };
}

function configOf(options: NatsServerOptions, directory: string): string {
  const lines: string[] = [];
  if (options.user !== undefined) lines.push(`authorization { user: "${options.user}", password: "${options.pass ?? ''}" }`);
  if (options.token !== undefined) lines.push(`authorization { token: "${options.token}" }`);
  if (options.maxPayloadBytes !== undefined) lines.push(`max_payload: ${options.maxPayloadBytes}`);
  if (options.jetStream) lines.push(`jetstream { store_dir: "${join(directory, 'jetstream')}" }`);
  return [...lines, options.config ?? '', ''].join('\n');
}

async function launch(binary: string, configFile: string, port: number): Promise<ChildProcess> {
  const child = spawn(binary, ['-a', '127.0.0.1', '-p', String(port), '-c', configFile], { stdio: ['ignore', 'ignore', 'pipe'] });
  endWithRunner(child);
  let output = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text.length + output.length > 100_000 ? '' : text));
  try {
    await eventually(() => {
      if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}: ${output}`);
      return output.includes('Server is ready');
    }, 'nats-server is ready');
    return child;
  } catch (cause) {
    child.kill('SIGKILL');
    throw cause;
  }
}

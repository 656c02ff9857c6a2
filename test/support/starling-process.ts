import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { endWithRunner } from './end-with-runner.ts';
import { eventually } from './wait-for.ts';

const program = fileURLToPath(new URL('../../bin/starling.js', import.meta.url));

export interface StarlingOptions {
  readonly dataDirectory: string;
  /** More arguments of `starling start`. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly readyTimeoutMs?: number;
}

export interface StarlingProcess {
  /** `http://HOST:PORT`, as it printed it. */
  readonly url: string;
  readonly graphqlUrl: string;
  readonly webSocketUrl: string;
  readonly pid: number;
  /** Milliseconds from the start to the line that says it is ready. */
  readonly readyAfterMs: number;
  /** Everything it has written, standard output and error in the order in which they came. */
  output(): string;
  /** Asks it to stop as Ctrl-C and SIGTERM do; the exit code, or the signal that ended it. */
  stop(signal?: 'SIGTERM' | 'SIGINT'): Promise<number | NodeJS.Signals>;
  /** kill -9: what it started may go on, see `endOrphans`. */
  kill(): Promise<void>;
  /** Resolves when it has ended, however. */
  readonly ended: Promise<number | NodeJS.Signals>;
}

/** Starts the built program (`npm run build`) on a free port and waits until it says that it is ready. */
export async function startStarling(options: StarlingOptions): Promise<StarlingProcess> {
  const began = performance.now();
  const args = ['start', '--data', options.dataDirectory, '--port', '0', ...(options.args ?? [])];
  const { child, output, ended } = launchStarling(args, options.env);
  let over: number | NodeJS.Signals | undefined;
  void ended.then((outcome) => (over = outcome));
  const address = await Promise.race([
    eventually(
      () => over === undefined && /is ready[\s\S]*GraphQL +(http:\/\/\S+)\/graphql/.exec(output()),
      'Starling is ready',
      options.readyTimeoutMs ?? 60_000,
    ),
    ended.then((outcome) => Promise.reject(new Error(`it ended with ${outcome} before it was ready:\n${output()}`))),
  ]).catch(async (cause: unknown) => {
    child.kill('SIGKILL');
    await ended;
    throw new Error(`Starling did not start: ${output()}`, { cause });
  });
  const url = address[1]!;
  return {
    url,
    graphqlUrl: `${url}/graphql`,
    webSocketUrl: `${url.replace('http', 'ws')}/graphql`,
    pid: child.pid!,
    readyAfterMs: performance.now() - began,
    output,
    ended,
    stop(signal = 'SIGTERM') {
      child.kill(signal);
      return ended;
    },
    async kill() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

export interface Finished {
  readonly exitCode: number | NodeJS.Signals;
  readonly output: string;
}

/** Runs one command of the CLI to its end. */
export async function runStarling(
  args: readonly string[],
  options: { env?: Readonly<Record<string, string>>; timeoutMs?: number } = {},
): Promise<Finished> {
  const { child, output, ended } = launchStarling(args, options.env);
  const timer = setTimeout(() => child.kill('SIGKILL'), options.timeoutMs ?? 60_000);
  const exitCode = await ended;
  clearTimeout(timer);
  return { exitCode, output: output() };
}

/** Starts a command and leaves the rest to the caller. */
export function launchStarling(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const child: ChildProcess = spawn(process.execPath, [program, ...args], {
    env: { ...neutralEnvironment(), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  endWithRunner(child);
  let text = '';
  for (const stream of [child.stdout!, child.stderr!]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => (text = (text + chunk).slice(-4_000_000)));
  }
  const ended = new Promise<number | NodeJS.Signals>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve(code ?? signal ?? 'SIGKILL'));
  });
  return { child, output: () => text, ended };
}

/** The settings of whoever runs the tests must not reach what they start. */
function neutralEnvironment(): NodeJS.ProcessEnv {
  const ours = /^(STARLING_|DATABASE_URL$|NATS_|EVENTSTOREDB_URL$|PG[A-Z]+$|FORCE_COLOR$)/;
  const kept = Object.entries(process.env).filter(([name]) => !ours.test(name) || name === 'STARLING_NATS_SERVER');
  return { ...Object.fromEntries(kept), NO_COLOR: '1' };
}

/** Ends a PostgreSQL that a killed Starling left behind in its data directory; by the pid in its own file, checked. */
export async function endOrphans(dataDirectory: string): Promise<void> {
  const files = await readdir(dataDirectory, { recursive: true }).catch(() => []);
  for (const file of files.filter((name) => name.endsWith('postmaster.pid'))) {
    const pid = Number((await readFile(join(dataDirectory, file), 'utf8')).split('\n')[0]);
    const running = async () => (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).includes('postgres');
    if (!Number.isSafeInteger(pid) || pid < 2 || !(await running())) continue;
    process.kill(pid, 'SIGQUIT');
    await eventually(async () => !(await running()), `the orphaned PostgreSQL ${pid} has ended`);
  }
}

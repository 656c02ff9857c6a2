import type { Config } from '../config.ts';
import { ConfigError } from '../config.ts';
import { limits } from '../limits.ts';
import { createLogger } from '../logger.ts';
import type { Node } from '../node.ts';
import { roles as allRoles } from '../settings.ts';
import type { CommandContext } from './command-line.ts';
import { aborted } from './interrupts.ts';
import { duration } from './progress.ts';
import type { OwnNode } from './run-node.ts';
import type { Terminal } from './terminal.ts';

/** Runs the node that the configuration describes until it is told to stop; resolves with the exit code. */
export async function runUntilStopped(
  config: Config,
  { terminal, clock, interrupts }: CommandContext,
  wish: { readonly demo?: boolean } = {},
): Promise<number> {
  const begun = clock.monotonicMs();
  refuseHalfSystem(config);
  const logger = createLogger(config.logLevel);
  const { keepsFiles, runNode } = await import('./run-node.ts');
  terminal.say(`Starling starts${keepsFiles(config, config.roles) ? ` on ${config.dataDirectory}` : ''} …`);
  const own = await runNode(config, config.roles, logger);
  const crash = watchCrashes(terminal);
  let demo: { readonly welcome: readonly string[]; stop(): Promise<void> } | undefined;
  try {
    if (wish.demo && !interrupts.signal.aborted) {
      demo = await (await import('./demo/demo.ts')).startDemo(own.node, { signal: interrupts.signal, logger });
    }
    if (!interrupts.signal.aborted) welcome(terminal, own.node, (clock.monotonicMs() - begun) / 1000, demo?.welcome ?? []);
    await Promise.race([aborted(interrupts.signal), crash.happened]);
    terminal.say('Starling stops …');
    await demo?.stop();
  } finally {
    await stopInTime(own, clock.sleep(limits.stopTimeoutMs));
    crash.dispose();
  }
  terminal.say('stopped');
  return crash.exitCode();
}

/** @throws {ConfigError} when this node could not find the rest of its system. */
function refuseHalfSystem({ roles, logEngine, natsUrl, databaseUrl }: Config): void {
  if (roles.length === allRoles.length) return;
  const wrong = (what: string): never => {
    throw new ConfigError(`--roles: a node with ${roles.join(', ')} alone ${what}`);
  };
  if (natsUrl === undefined) wrong('needs NATS_URL, over which it finds the others');
  if (logEngine === 'lmdb') wrong('needs an event log that others reach: --log jetstream, or eventstoredb');
  if (roles.some((role) => role !== 'actors') && databaseUrl === undefined) wrong('needs DATABASE_URL, the PostgreSQL that all share');
}

function welcome(terminal: Terminal, node: Node, seconds: number, more: readonly string[]): void {
  const { url } = node;
  const whole = node.roles.length === allRoles.length;
  const ready = `${terminal.bold('Starling is ready')} ${terminal.dim(`(${duration(seconds)})`)}${whole ? '' : `: node ${node.id}, ${node.roles.join(' + ')}`}`;
  if (url === undefined) return terminal.print(ready);
  const query = `curl -s ${url}/graphql -H 'content-type: application/json' -d '{"query":"{ publicTimeline(first: 5) { edges { node { author { handle } text createdAt } } } }"}'`;
  const lines = [
    ready,
    '',
    `  GraphiQL   ${url}/`,
    `  GraphQL    ${url}/graphql  (HTTP and WebSocket)`,
    `  Health     ${url}/healthz  and ${url}/readyz`,
    `  Metrics    ${url}/metrics`,
    '',
    'A first query to try:',
    `  ${query}`,
    ...(more.length > 0 ? ['', ...more] : []),
    '',
    'Ctrl-C stops it.',
  ];
  for (const line of lines) terminal.print(line);
}

/** What nobody caught is a bug: it is shown, everything is stopped in order, and the exit code tells. */
function watchCrashes(terminal: Terminal): { happened: Promise<void>; exitCode(): number; dispose(): void } {
  let exitCode = 0;
  let crashed: () => void = () => undefined;
  const happened = new Promise<void>((resolve) => (crashed = resolve));
  const onError = (error: unknown): void => {
    exitCode = 1;
    terminal.say(`${terminal.red('starling: a bug:')} ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    crashed();
  };
  process.on('uncaughtException', onError);
  process.on('unhandledRejection', onError);
  return {
    happened,
    exitCode: () => exitCode,
    dispose: () => {
      process.off('uncaughtException', onError);
      process.off('unhandledRejection', onError);
    },
  };
}

async function stopInTime(own: OwnNode, timeout: Promise<void>): Promise<void> {
  const late = Symbol('late');
  const outcome = await Promise.race([own.stop(), timeout.then(() => late)]);
  if (outcome === late)
    throw new Error(
      `stopping took more than ${limits.stopTimeoutMs / 1000} s: what was acknowledged is on disk, the rest is left as it is`,
    );
}

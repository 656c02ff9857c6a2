import { readConfig } from '../config.ts';
import { limits } from '../limits.ts';
import { createLogger } from '../logger.ts';
import type { Node } from '../node.ts';
import type { Arguments, CommandSpec } from './arguments.ts';
import { settings } from '../config.ts';
import type { CommandContext } from './command-line.ts';
import { aborted } from './interrupts.ts';
import type { OwnNode } from './run-node.ts';
import { duration } from './progress.ts';
import type { Terminal } from './terminal.ts';

export const spec: CommandSpec = {
  name: 'start',
  summary: 'Run everything in one process: event log, actors, PostgreSQL, projections and the GraphQL gateway.',
  options: { demo: { says: 'fill an empty system with a small lively population that posts and follows' } },
  settings: ['data', 'port', 'host', 'trustProxy', 'logLevel', 'label', 'space'],
  notes: [
    'Environment:',
    `  ${settings.database.environment}  ${settings.database.says}`,
    `  ${settings.nats.environment}      ${settings.nats.says}`,
    'Ctrl-C or SIGTERM: finish what runs, then stop. A second one, a second later, does not wait.',
  ],
};

export async function run(given: Arguments, { terminal, clock, interrupts }: CommandContext): Promise<number> {
  const begun = clock.monotonicMs();
  const config = readConfig(given.flags);
  const logger = createLogger(config.logLevel);
  terminal.say(`Starling starts on ${config.dataDirectory} …`);
  const { runNode } = await import('./run-node.ts');
  const own = await runNode(config, ['gateway', 'actors', 'projections'], logger);
  const crash = watchCrashes(terminal);
  let demo: { readonly welcome: readonly string[]; stop(): Promise<void> } | undefined;
  try {
    if (given.switches.has('demo') && !interrupts.signal.aborted) {
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

function welcome(terminal: Terminal, node: Node, seconds: number, more: readonly string[]): void {
  const url = node.url!;
  const query = `curl -s ${url}/graphql -H 'content-type: application/json' -d '{"query":"{ publicTimeline(first: 5) { edges { node { author { handle } text createdAt } } } }"}'`;
  const lines = [
    `${terminal.bold('Starling is ready')} ${terminal.dim(`(${duration(seconds)})`)}`,
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

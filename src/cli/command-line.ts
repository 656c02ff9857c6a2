import { readFile } from 'node:fs/promises';
import type { Clock } from '../clock.ts';
import { systemClock } from '../clock.ts';
import { ConfigError } from '../config.ts';
import type { Arguments, CommandSpec } from './arguments.ts';
import { UsageError, helpText, hint, parseArguments, section } from './arguments.ts';
import type { Interrupts } from './interrupts.ts';
import { watchInterrupts } from './interrupts.ts';
import type { Terminal } from './terminal.ts';
import { openTerminal } from './terminal.ts';

/** What every command is given. */
export interface CommandContext {
  readonly terminal: Terminal;
  readonly clock: Clock;
  readonly interrupts: Interrupts;
}

export interface CommandModule {
  readonly spec: CommandSpec;
  /** Resolves with the exit code: 0 done, 1 failed, 2 called in a wrong way, 130 interrupted. */
  run(given: Arguments, context: CommandContext): Promise<number>;
}

const commands: Readonly<Record<string, { readonly summary: string; load(): Promise<CommandModule> }>> = {
  start: { summary: 'run everything in one process, or some roles of a cluster', load: () => import('./start.ts') },
  actors: { summary: 'join one more actor node to a running cluster', load: () => import('./actors.ts') },
  cluster: { summary: 'run a whole cluster on this machine', load: () => import('./cluster.ts') },
  import: { summary: 'load a follower network and posts from files', load: () => import('./import.ts') },
  replay: { summary: 'build read models anew from the log, compare, swap', load: () => import('./replay.ts') },
  backup: { summary: 'write a consistent copy of the log and the sessions into one file', load: () => import('./backup.ts') },
  restore: { summary: 'make a data directory of a backup', load: () => import('./restore.ts') },
  log: { summary: 'copy the event log to another place or engine', load: () => import('./log-copy.ts') },
  verify: { summary: 'count whatever should not be in log and read models', load: () => import('./verify.ts') },
  status: { summary: 'show what runs and how far behind it is', load: () => import('./status.ts') },
};

export async function runCommandLine(argv: readonly string[]): Promise<number> {
  const terminal = openTerminal();
  // Whoever reads our output may stop reading (`| head`): that is no failure.
  process.stdout.on('error', () => undefined);
  process.stderr.on('error', () => undefined);
  const [first, ...rest] = argv;
  try {
    if (first === '--version' || first === '-v') return await printVersion(terminal);
    if (first === undefined || first === '--help' || first === '-h') {
      terminal.print(overview());
      return first === undefined ? 2 : 0;
    }
    if (first === 'help') return await help(rest, terminal);
    const module = await load(first);
    const given = parseArguments(module.spec, rest);
    if (given.help) {
      terminal.print(helpText(module.spec));
      return 0;
    }
    const interrupts = watchInterrupts(terminal, systemClock);
    try {
      return await module.run(given, { terminal, clock: systemClock, interrupts });
    } catch (error) {
      if (!interrupts.signal.aborted) throw error;
      terminal.say('cancelled');
      return 130;
    } finally {
      interrupts.dispose();
    }
  } catch (error) {
    const usage = error instanceof UsageError || error instanceof ConfigError;
    terminal.say(`${terminal.red('starling:')} ${describeError(error)}`);
    if (usage) terminal.say(`See: starling ${first !== undefined && first in commands ? `${first} ` : ''}--help`);
    return usage ? 2 : 1;
  }
}

async function help(argv: readonly string[], terminal: Terminal): Promise<number> {
  const name = argv.find((word) => !word.startsWith('-'));
  terminal.print(name === undefined ? overview() : helpText((await load(name)).spec));
  return 0;
}

async function load(name: string): Promise<CommandModule> {
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (command !== undefined) return command.load();
  if (name.startsWith('-')) throw new UsageError(`the command comes first, then ${name}: starling start ${name}`);
  throw new UsageError(`there is no command "${name}"${hint(name, Object.keys(commands))}`);
}

function overview(): string {
  const rows = Object.entries(commands).map(([name, { summary }]) => [name, summary] as const);
  return [
    'Starling: an actor-based, event-sourced backend for Twitter-like networks.',
    '',
    'Usage: starling COMMAND [OPTIONS]',
    ...section('Commands', [...rows, ['help [COMMAND]', 'show what a command takes; or COMMAND --help']]),
    ...section('Options', [
      ['--version', 'show the version'],
      ['--help', 'show this help'],
    ]),
  ].join('\n');
}

async function printVersion(terminal: Terminal): Promise<number> {
  const text = await readFile(new URL('../../package.json', import.meta.url), 'utf8');
  terminal.print(`starling ${(JSON.parse(text) as { version: string }).version}`);
  return 0;
}

/** Errors that we made ourselves say all in their message; of others the stack is what helps. */
function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const ours = error.name !== 'Error' && error.name !== 'TypeError' && 'code' in error;
  return ours || 'syscall' in error || error.name === 'Error' ? error.message : (error.stack ?? error.message);
}

import { resolve } from 'node:path';
import { readConfig } from '../config.ts';
import type { EventLog } from '../events/event-log.ts';
import { limits } from '../limits.ts';
import { createLogger } from '../logger.ts';
import { systemRandom } from '../random.ts';
import { createShutdownStack } from '../shutdown-stack.ts';
import { serverSettings } from '../settings.ts';
import { section } from './arguments.ts';
import type { Arguments, CommandSpec } from './arguments.ts';
import type { CommandContext } from './command-line.ts';
import { createProgressDisplay } from './progress.ts';
import type { Terminal } from './terminal.ts';
import type { Report, Section } from './verify/findings.ts';
import { openSystem } from './verify/open-system.ts';
import { readCommandRecords, readPushRecords } from './verify/records.ts';
import { verifySystem } from './verify/verify-system.ts';
import type { VerifyOptions } from './verify/verify-system.ts';
import { wholeNumber } from './whole-number.ts';

export const spec: CommandSpec = {
  name: 'verify',
  summary: 'Read the event log and the read models, and count whatever should not be: all is 0 in a sound system.',
  options: {
    users: {
      placeholder: 'NUMBER',
      says: `users whose home timelines are compared, the newest ${limits.verifyEntriesPerUserMax} entries, drawn by chance (default ${limits.verifyUsersDefault})`,
    },
    seed: { placeholder: 'NUMBER', says: 'of that chance (default 1)' },
    acknowledged: { placeholder: 'FILE', says: 'answers that clients got, to be held against the log; NDJSON' },
    pushes: { placeholder: 'FILE', says: 'what subscribers got, to be held against the log; NDJSON' },
    json: { says: 'as JSON, for programs' },
  },
  settings: ['data', 'log', 'space', 'logLevel'],
  environment: serverSettings,
  notes: ['It changes nothing, and Starling may run meanwhile. Exit code: 0 sound, 1 something was found.'],
};

export async function run(given: Arguments, context: CommandContext): Promise<number> {
  const { terminal, clock, interrupts } = context;
  const config = readConfig(given.flags);
  const sample = {
    users: wholeNumber(given, 'users', limits.verifyUsersDefault, 0, 9_999_999_999),
    seed: wholeNumber(given, 'seed', 1, 0, 2 ** 32 - 1),
  };
  const logger = createLogger(config.logLevel);
  const display = createProgressDisplay(terminal, clock);
  const stack = createShutdownStack(logger);
  try {
    const system = await openSystem(config, { clock, random: systemRandom, logger }, stack);
    const options = { sample, ...(await readRecords(given, system.log)) };
    const report = await verifySystem(system, options, { signal: interrupts.signal, report: display.show });
    display.finish();
    if (given.switches.has('json')) terminal.print(JSON.stringify(report, null, 2));
    else for (const line of table(report, terminal)) terminal.print(line);
    return report.sound ? 0 : 1;
  } finally {
    display.finish();
    await stack.stop();
  }
}

async function readRecords({ text }: Arguments, log: EventLog): Promise<Pick<VerifyOptions, 'answers' | 'subscribers'>> {
  const { acknowledged, pushes } = text;
  return {
    ...(acknowledged !== undefined && { answers: await readCommandRecords(resolve(acknowledged), log) }),
    ...(pushes !== undefined && { subscribers: await readPushRecords(resolve(pushes), log) }),
  };
}

function table({ sound, looked, faults }: Report, terminal: Terminal): string[] {
  const lines: string[] = [];
  for (const name of new Set(faults.map((fault) => fault.section))) {
    lines.push(...section(headingOf(name, looked[name] ?? {}), faults.filter((fault) => fault.section === name).map(rowOf)));
  }
  const examples = faults.flatMap(({ section: name, says, count: number, examples: some }) =>
    number === 0
      ? []
      : ['', `${name}: ${says}${number > some.length ? `, the first ${some.length}` : ''}:`, ...some.map((each) => `  ${each}`)],
  );
  const none =
    'read models' in looked ? [] : ['', 'Only the log was looked at: there are no read models, or DATABASE_URL does not say where.'];
  return [...lines.slice(1), ...examples, ...none, '', sound ? terminal.bold('sound') : terminal.bold('NOT SOUND')];
}

function headingOf(name: Section, facts: Readonly<Record<string, number>>): string {
  const { 'of users': users, ...others } = facts;
  const words = Object.entries(others).map(([what, value]) => {
    if (what === 'users' && users !== undefined) return `${count(value)} of ${count(users)} users`;
    return what.endsWith('at commit') ? `${what} ${count(value)}` : `${count(value)} ${what}`;
  });
  return `${name} (${words.join(', ')})`;
}

function rowOf({ says, count: number }: Report['faults'][number]): readonly [string, string] {
  return [says, count(number)];
}

function count(value: number): string {
  return value.toLocaleString('en-US');
}

import { readConfig } from '../config.ts';
import type { EventLog } from '../events/event-log.ts';
import type { LogId } from '../events/ids.ts';
import type { CopiedLog } from '../events/log-import.ts';
import type { Position } from '../events/position.ts';
import { createLogger } from '../logger.ts';
import { systemRandom } from '../random.ts';
import { serverSettings } from '../settings.ts';
import { UsageError } from './arguments.ts';
import type { Arguments, CommandSpec } from './arguments.ts';
import type { CommandContext } from './command-line.ts';
import { compareLogs } from './copy/compare-logs.ts';
import type { LogComparison } from './copy/compare-logs.ts';
import { copyLog } from './copy/copy-log.ts';
import type { CopySummary } from './copy/copy-log.ts';
import { addressForms, isSameLog, openLogToFill, openLogToRead, parseLogAddress } from './copy/log-address.ts';
import type { LogAddress, LogPorts } from './copy/log-address.ts';
import type { JobContext } from './control-server.ts';
import { createProgressDisplay } from './progress.ts';

export const spec: CommandSpec = {
  name: 'log',
  summary: 'Copy a whole event log into another place, or into what an earlier copy has left there.',
  positionals: [
    { name: 'copy', says: 'the only thing that can be done with a log' },
    { name: 'FROM', says: `${addressForms}; Starling may run on it` },
    { name: 'TO', says: 'the same form; empty, or begun by an earlier copy of FROM' },
  ],
  options: {
    verify: { says: 'compare the two event by event afterwards' },
    'verify-only': { says: 'compare, and copy nothing; also where Starling runs on TO' },
  },
  settings: ['replicas', 'logLevel'],
  environment: serverSettings.filter((name) => name !== 'database'),
  meanings: {
    nats: 'servers of jetstream:SPACE; several with commas between',
    eventStoreDb: 'server of eventstoredb:SPACE, as esdb://HOST:2113?tls=false',
  },
  notes: [
    'Interrupted and run again, it goes on. Run again later, it adds what FROM has got since. Until it is complete, nothing starts on TO.',
    'Let only one of the two go on afterwards: where positions are kept, the same position would else name two events.',
    'Positions are kept between data directories and JetStream, so that cursors and read models stay valid. EventStoreDB gives positions of its own.',
    'Exit code: 0 done, 1 failed or, with --verify, different or missing in TO.',
  ],
};

export async function run(given: Arguments, context: CommandContext): Promise<number> {
  const [action, from, to] = given.positionals;
  if (action !== 'copy') throw new UsageError(`a log can be copied: starling log copy FROM TO, not "${action}"`);
  const config = readConfig(given.flags);
  const [source, target] = [parseLogAddress(from!, config), parseLogAddress(to!, config)];
  if (await isSameLog(source, target)) throw new UsageError('FROM and TO are the same log');
  const { terminal, clock, interrupts } = context;
  const ports: LogPorts = { clock, random: systemRandom, logger: createLogger(config.logLevel) };
  const display = createProgressDisplay(terminal, clock);
  const job: JobContext = { signal: interrupts.signal, report: display.show };
  const { log, dense } = await openLogToRead(source, ports);
  try {
    let upTo = (await log.tail())?.position;
    if (!given.switches.has('verify-only')) {
      const copied = await copyInto(target, { id: log.id, namespace: log.namespace, dense }, log, ports, job);
      display.finish();
      for (const line of describeCopy(copied, log.id)) terminal.print(line);
      if (!given.switches.has('verify')) return 0;
      upTo = copied.upTo;
    }
    const comparison = await compareWith(target, log, upTo, ports, job);
    display.finish();
    for (const line of describeComparison(comparison)) terminal.print(line);
    return comparison.different + comparison.missing === 0 ? 0 : 1;
  } finally {
    display.finish();
    await log.close();
  }
}

type Copied = CopySummary & { readonly id: LogId };

async function copyInto(address: LogAddress, source: CopiedLog, log: EventLog, ports: LogPorts, job: JobContext): Promise<Copied> {
  const target = await openLogToFill(address, source, ports);
  try {
    return { ...(await copyLog(log, target, job)), id: target.id };
  } finally {
    await target.close();
  }
}

async function compareWith(
  address: LogAddress,
  from: EventLog,
  upTo: Position | undefined,
  ports: LogPorts,
  job: JobContext,
): Promise<LogComparison> {
  const { log: to } = await openLogToRead(address, ports);
  try {
    return await compareLogs(from, to, upTo, job);
  } finally {
    await to.close();
  }
}

function describeCopy({ copied, commits, id }: Copied, sourceId: LogId): string[] {
  const ids =
    id === sourceId
      ? `Log id and positions are those of FROM (${id}): cursors and read models stay valid.`
      : `The copy has a log id of its own (${id}) and numbers its commits anew: cursors of FROM are refused, and read models are to be built anew.`;
  const what =
    copied === 0 ? `Complete: all ${count(commits)} commits are there.` : `Copied ${count(copied)} commits; ${count(commits)} are there.`;
  return [
    what,
    ids,
    'Whatever is written to FROM from now on is not in the copy: stop it, and run this command once more before TO takes over.',
  ];
}

function describeComparison({ commits, events, different, missing, added, first }: LogComparison): string[] {
  const same = `Compared ${count(commits)} commits with ${count(events)} events`;
  const more = added === 0 ? [] : [`TO has ${count(added)} commits more, which came after the copy.`];
  if (different + missing === 0) return [`${same}: all are equal.`, ...more];
  return [`${same}: ${count(different)} DIFFER, ${count(missing)} are missing in TO. The first: ${first}.`, ...more];
}

function count(value: number): string {
  return value.toLocaleString('en-US');
}

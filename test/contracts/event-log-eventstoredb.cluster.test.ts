import { describe, vi } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { openEventStoreDbLog } from '../../src/events/esdb-log.ts';
import { silentLogger } from '../../src/logger.ts';
import { systemRandom } from '../../src/random.ts';
import { startEsdbDouble } from '../support/esdb-protocol-double/server.ts';
import { eventLogContract } from './event-log-contract.ts';
import type { LogUnderTest } from './event-log-contract.ts';

// Client and server share this process, and each event crosses a socket: on a busy machine that takes its time.
vi.setConfig({ testTimeout: 120_000 });

const ports = { clock: systemClock, random: systemRandom, logger: silentLogger };

async function logAt(url: string, space: string, close: () => Promise<void>): Promise<LogUnderTest> {
  const open = () => openEventStoreDbLog({ url, space, ...ports });
  const first = await open();
  let log = first;
  return {
    log,
    async reopen() {
      await log.close();
      log = await open();
      return log;
    },
    async remove() {
      await log.close();
      await close();
    },
  };
}

eventLogContract(
  'EventStoreDbLog against the protocol double',
  async () => {
    const double = await startEsdbDouble();
    return logAt(double.url, 'contract', () => double.close());
  },
  { raceAppends: 2_000, longStream: 1_000, manyStreams: 2_000 },
);

const url = process.env['EVENTSTOREDB_URL'];
// A server cannot be emptied: each case has a name space of its own.
const onServer = () => logAt(url ?? '', `test_${Buffer.from(systemRandom.bytes(12)).toString('hex')}`, async () => {});
describe.skipIf(url === undefined)('with EVENTSTOREDB_URL, which names a real server (see docs/eventstoredb.md)', () => {
  eventLogContract('EventStoreDbLog', onServer, { raceAppends: 10_000, longStream: 1_000, manyStreams: 2_000 });
});

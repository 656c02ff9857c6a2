import { afterAll, beforeAll, describe } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import type { EventLog } from '../../src/events/event-log.ts';
import { openJetStreamLog } from '../../src/events/jetstream-log.ts';
import { silentLogger } from '../../src/logger.ts';
import { systemRandom } from '../../src/random.ts';
import { startNatsCluster } from '../support/nats-cluster.ts';
import { startNatsServer } from '../support/nats-server.ts';
import { eventLogContract } from './event-log-contract.ts';
import type { LogUnderTest } from './event-log-contract.ts';

const ports = { name: 'contract', clock: systemClock, random: systemRandom, logger: silentLogger };
let spaces = 0;

async function logOn(servers: readonly string[], replicas: number): Promise<LogUnderTest> {
  spaces += 1;
  const space = `contract-${spaces}`;
  const open = () => openJetStreamLog({ ...ports, servers, space, replicas });
  let log = await open();
  let other: EventLog | undefined;
  return {
    log,
    async another() {
      other = await open();
      return other;
    },
    async reopen() {
      await log.close();
      log = await open();
      return log;
    },
    async remove() {
      await log.close();
      await other?.close();
    },
  };
}

describe('on one server', () => {
  let server: Awaited<ReturnType<typeof startNatsServer>>;
  beforeAll(async () => {
    server = await startNatsServer({ jetStream: true });
  });
  afterAll(() => server.remove());
  eventLogContract('JetStreamLog', () => logOn([server.url], 1), { raceAppends: 10_000, longStream: 2_000, manyStreams: 5_000 });
});

describe('on three servers', () => {
  let cluster: Awaited<ReturnType<typeof startNatsCluster>>;
  beforeAll(async () => {
    cluster = await startNatsCluster();
  });
  afterAll(() => cluster.remove());
  eventLogContract('JetStreamLog', () => logOn(cluster.urls, 3), { raceAppends: 10_000, longStream: 2_000, manyStreams: 5_000 });
});

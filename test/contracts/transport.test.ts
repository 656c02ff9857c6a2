import { afterAll, beforeAll } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { silentLogger } from '../../src/logger.ts';
import { systemRandom } from '../../src/random.ts';
import { createLocalTransport } from '../../src/transport/local-transport.ts';
import { connectNats } from '../../src/transport/nats-transport.ts';
import { startNatsServer } from '../support/nats-server.ts';
import type { NatsServer } from '../support/nats-server.ts';
import { transportContract } from './transport-contract.ts';

transportContract('LocalTransport', () => {
  const transport = createLocalTransport({ clock: systemClock, logger: silentLogger });
  return Promise.resolve({ transports: [transport, transport], close: () => transport.close() });
});

let server: NatsServer;
beforeAll(async () => {
  server = await startNatsServer();
});
afterAll(() => server.remove());

transportContract('NatsTransport', async () => {
  const connected = () =>
    connectNats({ servers: [server.url], name: 'contract', clock: systemClock, random: systemRandom, logger: silentLogger });
  const here = await connected();
  const there = await connected();
  return {
    transports: [here, there],
    async close() {
      await here.close();
      await there.close();
    },
  };
});

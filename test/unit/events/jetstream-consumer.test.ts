import type { Msg, NatsConnection } from 'nats';
import { describe, expect, test } from 'vitest';
import { openConsumer } from '../../../src/events/jetstream-consumer.ts';
import type { Deliveries } from '../../../src/events/jetstream-consumer.ts';
import { limits } from '../../../src/limits.ts';
import { silentLogger } from '../../../src/logger.ts';
import { seededRandom } from '../../../src/random.ts';
import { createSimulatedClock } from '../../simulation/simulated-clock.ts';

/** A consumer of everything, from message 7 on, of a server that is played by the test: `held` are the sequences that the log has. */
async function setUp(held: ReadonlySet<number>) {
  const clock = createSimulatedClock();
  let hear: (message: Msg) => void = () => {};
  let consumer = '';
  const connection = {
    subscribe(_inbox: string, { callback }: { callback: (error: null, message: Msg) => void }) {
      hear = (message) => callback(null, message);
      return { unsubscribe() {} };
    },
    publish() {},
    isClosed: () => false,
  };
  const api = {
    createConsumer: async (_stream: string, name: string) => void (consumer = name),
    deleteConsumer: async () => {},
    messageAnywhere: async (_stream: string, sequence: number) => (held.has(sequence) ? { sequence } : undefined),
  };
  const ports = {
    connection: connection as unknown as NatsConnection,
    api: api as unknown as Deliveries['api'],
    requests: { losses: 0 } as Deliveries['requests'],
    stream: 'LOG',
    clock,
    random: seededRandom(1),
    logger: silentLogger,
  };
  const opened = await openConsumer(ports, { from: 7, signal: new AbortController().signal, patienceMs: 1_000 });
  let taken: unknown = 'nothing yet';
  const take = () => void opened.take().then((batch) => (taken = batch));
  take();
  return {
    clock,
    take,
    taken: () => taken,
    beat: () => hear({ headers: { code: 100, description: 'Idle Heartbeat' } } as unknown as Msg),
    send: (sequence: number, order: number) =>
      hear({ subject: 's', data: new Uint8Array(1), reply: `$JS.ACK.LOG.${consumer}.1.${sequence}.${order}.0.0` } as unknown as Msg),
  };
}

describe('a consumer that says nothing', () => {
  test('is lost soon where the log has what it should have sent', async () => {
    const { clock, taken } = await setUp(new Set([7]));
    await clock.advance(limits.jetStreamDoubtMs - 1);
    expect(taken()).toBe('nothing yet');
    await clock.advance(limits.jetStreamHeartbeatMs / 2 + limits.jetStreamOneByOneMs + 1);
    expect(taken()).toBeUndefined();
  });

  test('gets more time where the log has nothing either', async () => {
    const { clock, taken } = await setUp(new Set());
    await clock.advance(limits.jetStreamSilenceMs);
    expect(taken()).toBe('nothing yet');
    await clock.advance(limits.jetStreamHeartbeatMs);
    expect(taken()).toBeUndefined();
  });

  test('is not asked about while it says that it lives, nor about what has come', async () => {
    const held = new Set([7]);
    const { clock, taken, take, beat, send } = await setUp(held);
    send(7, 1);
    await clock.advance(0);
    expect(taken()).toMatchObject([{ sequence: 7 }]);
    take();
    await clock.advance(limits.jetStreamHeartbeatMs);
    for (let second = 0; second < 10; second++) {
      beat();
      await clock.advance(limits.jetStreamHeartbeatMs);
    }
    held.add(8);
    send(8, 2);
    await clock.advance(0);
    expect(taken()).toMatchObject([{ sequence: 8 }]);
  });
});

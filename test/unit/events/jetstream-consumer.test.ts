import { describe, expect, test } from 'vitest';
import { openConsumer } from '../../../src/events/jetstream-consumer.ts';
import type { Deliveries } from '../../../src/events/jetstream-consumer.ts';
import { limits } from '../../../src/limits.ts';
import { silentLogger } from '../../../src/logger.ts';
import { seededRandom } from '../../../src/random.ts';
import { createSimulatedClock } from '../../simulation/simulated-clock.ts';

const patienceMs = 4_000;

interface Played {
  /** Sequences that the log has, where it answers. */
  readonly held?: ReadonlySet<number> | 'silent';
  /** Where the servers put one consumer after the other; this node is connected to `near`. */
  readonly places?: string[];
  readonly subject?: string;
}

/** A consumer of everything, from message 7 on, of servers that are played by the test. */
async function setUp({ held = new Set(), places = ['near'], subject }: Played = {}) {
  const clock = createSimulatedClock();
  let hear: (message: object) => void = () => {};
  const made: string[] = [];
  const deleted: string[] = [];
  const connection = {
    info: { server_name: 'near' },
    subscribe(_inbox: string, { callback }: { callback: (error: null, message: object) => void }) {
      hear = (message) => callback(null, message);
      return { unsubscribe() {} };
    },
    publish() {},
    isClosed: () => false,
  };
  const api = {
    createConsumer: async (_stream: string, name: string) => {
      made.push(name);
      return { cluster: { leader: places[made.length - 1] ?? 'far' } };
    },
    deleteConsumer: async (_stream: string, name: string) => void deleted.push(name),
    messageAnywhere: (_stream: string, sequence: number) =>
      held === 'silent' ? new Promise(() => {}) : Promise.resolve(held.has(sequence) ? { sequence } : undefined),
  };
  const ports = {
    connection: connection as unknown as Deliveries['connection'],
    api: api as unknown as Deliveries['api'],
    requests: { losses: 0 } as Deliveries['requests'],
    stream: 'LOG',
    clock,
    random: seededRandom(1),
    logger: silentLogger,
  };
  const signal = new AbortController().signal;
  const opened = await openConsumer(ports, { from: 7, signal, patienceMs, ...(subject !== undefined && { subject }) });
  let taken: unknown = 'nothing yet';
  const take = () => void opened.take().then((batch) => (taken = batch));
  take();
  return {
    clock,
    made,
    deleted,
    take,
    taken: () => taken,
    beat: () => hear({ headers: { code: 100, description: 'Idle Heartbeat' } }),
    send: (sequence: number, order: number) =>
      hear({ subject: 's', data: new Uint8Array(1), reply: `$JS.ACK.LOG.${made.at(-1)}.1.${sequence}.${order}.0.0` }),
  };
}

describe('a consumer of everything', () => {
  test('lives on the server that this node is connected to, where that comes about', async () => {
    const { made, deleted } = await setUp({ places: ['far', 'further', 'near'] });
    expect(made).toHaveLength(3);
    expect(deleted).toEqual(made.slice(0, 2));
  });

  test('may live elsewhere when it does not', async () => {
    const { made, deleted } = await setUp({ places: [] });
    expect(made).toHaveLength(limits.jetStreamConsumerTries);
    expect(deleted).toEqual(made.slice(0, -1));
  });

  test('is worth the search, one of a single stream is not', async () => {
    const { made, deleted } = await setUp({ places: ['far'], subject: 'a.stream' });
    expect([made.length, deleted.length]).toEqual([1, 0]);
  });
});

describe('a consumer that says nothing', () => {
  test('is lost soon where the log has what it should have sent', async () => {
    const { clock, taken } = await setUp({ held: new Set([7]) });
    await clock.advance(limits.jetStreamDoubtMs - 1);
    expect(taken()).toBe('nothing yet');
    await clock.advance(limits.jetStreamHeartbeatMs / 2 + limits.jetStreamOneByOneMs + 1);
    expect(taken()).toBeUndefined();
  });

  test('is lost in its time also where nobody else answers', async () => {
    const { clock, taken } = await setUp({ held: 'silent' });
    await clock.advance(limits.jetStreamSilenceMs + limits.jetStreamHeartbeatMs / 2);
    expect(taken()).toBeUndefined();
  });

  test('gets more time where the log has nothing either', async () => {
    const { clock, taken } = await setUp();
    await clock.advance(limits.jetStreamSilenceMs);
    expect(taken()).toBe('nothing yet');
    await clock.advance(limits.jetStreamHeartbeatMs);
    expect(taken()).toBeUndefined();
  });

  test('is asked about now and then while it says that it lives, since its server may be behind', async () => {
    const held = new Set([7]);
    const { clock, taken, take, beat, send } = await setUp({ held });
    send(7, 1);
    await clock.advance(0);
    expect(taken()).toMatchObject([{ sequence: 7 }]);
    take();
    const live = async (ms: number) => {
      for (let lived = 0; lived < ms; lived += limits.jetStreamHeartbeatMs) {
        beat();
        await clock.advance(limits.jetStreamHeartbeatMs);
      }
    };
    await live(10 * limits.jetStreamBehindMs);
    expect(taken(), 'nobody has more').not.toBeUndefined();
    held.add(8);
    await live(limits.jetStreamBehindMs / 2);
    expect(taken(), 'it has its time').not.toBeUndefined();
    await live(limits.jetStreamBehindMs);
    expect(taken()).toBeUndefined();
  });

  test('brings nothing of one stream, which has more, and is lost before patience is', async () => {
    const { clock, taken, beat } = await setUp({ subject: 'a.stream' });
    for (let lived = 0; lived <= patienceMs / 2; lived += limits.jetStreamHeartbeatMs / 2) {
      expect(taken()).toBe('nothing yet');
      beat();
      await clock.advance(limits.jetStreamHeartbeatMs / 2);
    }
    expect(taken()).toBeUndefined();
  });

  test('begins a new batch after a gap, which is where gaps are looked for', async () => {
    const { clock, taken, take, send } = await setUp();
    for (const [order, sequence] of [7, 8, 10, 11].entries()) send(sequence, order + 1);
    await clock.advance(0);
    expect(taken()).toMatchObject([{ sequence: 7 }, { sequence: 8 }]);
    take();
    await clock.advance(0);
    expect(taken()).toMatchObject([{ sequence: 10 }, { sequence: 11 }]);
  });

  test('is not asked about what has come', async () => {
    const held = new Set([7]);
    const { clock, taken, take, send } = await setUp({ held });
    send(7, 1);
    await clock.advance(0);
    take();
    await clock.advance(limits.jetStreamHeartbeatMs);
    held.add(8);
    send(8, 2);
    await clock.advance(0);
    expect(taken()).toMatchObject([{ sequence: 8 }]);
  });
});

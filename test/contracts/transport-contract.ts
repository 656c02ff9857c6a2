import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { NoResponders, RequestTimeout, TransportClosed } from '../../src/transport/transport.ts';
import type { Message, Transport } from '../../src/transport/transport.ts';
import { eventually } from '../support/wait-for.ts';

const message = (type: string, body: unknown = null): Message => ({ type, format: 1, body });
const echo = (received: Message) => Promise.resolve(message('echo', received.body));
const inTime = { timeoutMs: 5_000 };

export interface TransportHarness {
  /** Two nodes of one system; the local transport has but one, which is both. */
  readonly transports: readonly [Transport, Transport];
  close(): Promise<void>;
}

/** What every transport promises. */
export function transportContract(name: string, create: () => Promise<TransportHarness>): void {
  describe(`${name} keeps the promises of a transport`, () => {
    let harness: TransportHarness;
    let here: Transport;
    let there: Transport;
    beforeEach(async () => {
      harness = await create();
      [here, there] = harness.transports;
    });
    afterEach(() => harness.close());

    it('brings a request to a responder and its reply back', async () => {
      await there.respond('t.echo', 'q', echo);
      const body = { text: 'grüße 👋', numbers: [1, 2.5, 9007199254740991], nothing: null };
      expect(await here.request('t.echo', message('ask', body), inTime)).toEqual({ type: 'echo', format: 1, body });
      expect(here.connected()).toBe(true);
    });

    it('says at once when nobody serves a subject', async () => {
      const began = performance.now();
      await expect(here.request('t.nobody', message('ask'), inTime)).rejects.toThrow(NoResponders);
      expect(performance.now() - began).toBeLessThan(2_000);
    });

    it('does not count a subscriber of the subject as somebody who serves it elsewhere', async () => {
      await there.subscribe('t.other', () => {});
      await expect(here.request('t.served', message('ask'), inTime)).rejects.toThrow(NoResponders);
    });

    it('times out when no reply comes, and not before', async () => {
      let finish = () => {};
      await there.respond('t.silent', 'q', (received) => new Promise((resolve) => (finish = () => resolve(received))));
      const began = performance.now();
      await expect(here.request('t.silent', message('ask'), { timeoutMs: 100 })).rejects.toThrow(RequestTimeout);
      expect(performance.now() - began).toBeGreaterThanOrEqual(95);
      finish();
    });

    it('leaves the caller to its time-out when the handler throws, and serves the next request', async () => {
      await there.respond('t.faulty', 'q', (received) => (received.type === 'bad' ? Promise.reject(new Error('a bug')) : echo(received)));
      await expect(here.request('t.faulty', message('bad'), { timeoutMs: 100 })).rejects.toThrow(RequestTimeout);
      expect(await here.request('t.faulty', message('good', 1), inTime)).toMatchObject({ body: 1 });
    });

    it('survives a handler that throws before it returns a promise', async () => {
      await there.respond('t.rash', 'q', () => {
        throw new Error('a bug');
      });
      await expect(here.request('t.rash', message('ask'), { timeoutMs: 100 })).rejects.toThrow(RequestTimeout);
    });

    it('gives each request to one responder of a queue, and every responder its part', async () => {
      const served = [0, 0, 0];
      for (const index of [0, 1, 2]) {
        await (index === 0 ? here : there).respond('t.shared', 'q', (received) => {
          served[index]! += 1;
          return echo(received);
        });
      }
      await Promise.all(Array.from({ length: 300 }, (_, index) => here.request('t.shared', message('ask', index), inTime)));
      expect(served[0]! + served[1]! + served[2]!).toBe(300);
      expect(Math.min(...served)).toBeGreaterThan(0);
    });

    it('gives a request to one responder of each queue', async () => {
      const served: string[] = [];
      for (const queue of ['one', 'two']) {
        await there.respond('t.queues', queue, (received) => {
          served.push(queue);
          return echo(received);
        });
      }
      await here.request('t.queues', message('ask'), inTime);
      await eventually(() => served.length === 2, 'both queues are served');
      expect(served.toSorted()).toEqual(['one', 'two']);
    });

    it('lets * stand for exactly one token, and tells the handler the subject', async () => {
      await there.respond('t.*.commands', 'q', (_, subject) => Promise.resolve(message('served', subject)));
      expect(await here.request('t.17.commands', message('ask'), inTime)).toMatchObject({ body: 't.17.commands' });
      for (const subject of ['t.commands', 't.1.2.commands', 't.17.commands.more', 'u.17.commands']) {
        await expect(here.request(subject, message('ask'), inTime)).rejects.toThrow(NoResponders);
      }
    });

    it('answers each of many requests in flight with its own reply', async () => {
      await there.respond('t.many', 'q', async (received) => {
        if (Number(received.body) % 3 === 0) await new Promise(setImmediate);
        return echo(received);
      });
      const replies = await Promise.all(Array.from({ length: 1_000 }, (_, index) => here.request('t.many', message('ask', index), inTime)));
      expect(replies.map((reply) => reply.body)).toEqual(Array.from({ length: 1_000 }, (_, index) => index));
    });

    it('delivers asynchronously: a sender never runs inside a receiver', async () => {
      let handled = false;
      await there.respond('t.later', 'q', (received) => {
        handled = true;
        return echo(received);
      });
      const asked = here.request('t.later', message('ask'), inTime);
      expect(handled).toBe(false);
      await asked;
      expect(handled).toBe(true);
    });

    it('publishes to every subscriber there is, in order, and to nobody without complaint', async () => {
      const heard: unknown[][] = [[], []];
      await here.subscribe('t.news', (received) => void heard[0]!.push(received.body));
      await there.subscribe('t.*', (received) => void heard[1]!.push(received.body));
      for (const index of [1, 2, 3]) here.publish('t.news', message('news', index));
      here.publish('t.nothing.here', message('news'));
      await eventually(() => heard.every((bodies) => bodies.length === 3), 'both subscribers heard all');
      expect(heard).toEqual([
        [1, 2, 3],
        [1, 2, 3],
      ]);
    });

    it('survives a subscriber that throws', async () => {
      const heard: unknown[] = [];
      await there.subscribe('t.news', (received) => {
        heard.push(received.body);
        throw new Error('a bug');
      });
      here.publish('t.news', message('news', 1));
      here.publish('t.news', message('news', 2));
      await eventually(() => heard.length === 2, 'the second message is heard');
    });

    it('stops serving when told, after what runs has finished', async () => {
      // A probe may still be served while the responder is leaving: so each has its own end.
      const finishes: (() => void)[] = [];
      const stop = await there.respond('t.stop', 'q', async (received) => {
        await new Promise<void>((resolve) => finishes.push(resolve));
        return echo(received);
      });
      const asked = here.request('t.stop', message('ask', 'last'), inTime);
      await eventually(() => finishes.length > 0, 'the handler has begun');
      let stopped = false;
      const stopping = stop().then(() => (stopped = true));
      await eventually(
        () =>
          here.request('t.stop', message('ask'), { timeoutMs: 200 }).then(
            () => false,
            (error: unknown) => error instanceof NoResponders,
          ),
        'nobody serves it any more',
      );
      expect(stopped).toBe(false);
      for (const finish of finishes) finish();
      expect(await asked).toMatchObject({ body: 'last' });
      await stopping;
    });

    it('stops telling a subscriber that has gone', async () => {
      const heard: unknown[] = [];
      const all: unknown[] = [];
      const stop = await there.subscribe('t.news', (received) => void heard.push(received.body));
      await there.subscribe('t.news', (received) => void all.push(received.body));
      here.publish('t.news', message('news', 1));
      await eventually(() => heard.length === 1, 'the first message is heard');
      await stop();
      await stop();
      here.publish('t.news', message('news', 2));
      await eventually(() => all.length === 2, 'the other one hears the second');
      expect(heard).toEqual([1]);
    });

    it('lets replies out that are on their way when it is closed', async () => {
      let finish = () => {};
      let began = false;
      await there.respond('t.drain', 'q', async (received) => {
        began = true;
        await new Promise<void>((resolve) => (finish = resolve));
        return echo(received);
      });
      const asked = here.request('t.drain', message('ask', 'last'), inTime);
      await eventually(() => began, 'the handler has begun');
      const closing = there.close();
      finish();
      expect(await asked).toMatchObject({ body: 'last' });
      await closing;
      expect(there.connected()).toBe(false);
    });

    it('refuses everything once closed, and closes twice', async () => {
      await here.close();
      await here.close();
      await expect(here.request('t.echo', message('ask'), inTime)).rejects.toThrow(TransportClosed);
      await expect(here.respond('t.echo', 'q', echo)).rejects.toThrow(TransportClosed);
      await expect(here.subscribe('t.echo', () => {})).rejects.toThrow(TransportClosed);
      here.publish('t.echo', message('news'));
      expect(here.connected()).toBe(false);
    });

    it('takes no subject that NATS would understand otherwise', async () => {
      for (const subject of ['', 'a b', 'a..b', 'a.>', '.a', 'a.\r\nPUB x']) {
        expect(() => here.publish(subject, message('news'))).toThrow(/not a subject/);
      }
      await expect(async () => here.respond('a.>', 'q', echo)).rejects.toThrow(/not a pattern/);
      await expect(async () => here.request('a.*', message('ask'), inTime)).rejects.toThrow(/not a subject/);
    });
  });
}

import { expect, it } from 'vitest';
import { limits } from '../../../src/limits.ts';
import { createLocalTransport } from '../../../src/transport/local-transport.ts';
import { NoResponders, RequestTimeout, TransportClosed } from '../../../src/transport/transport.ts';
import type { Message } from '../../../src/transport/transport.ts';
import { createManualClock } from '../../support/manual-clock.ts';

const message = (body: unknown): Message => ({ type: 'ask', format: 1, body });

it('hands over the very object: nothing is copied on the way', async () => {
  const transport = createLocalTransport({ clock: createManualClock() });
  const body = { large: 'thing' };
  await transport.respond('t.echo', 'q', (received) => Promise.resolve(received));
  expect((await transport.request('t.echo', message(body), { timeoutMs: 1_000 })).body).toBe(body);
  await transport.close();
});

it('measures time-outs on the clock it is given', async () => {
  const clock = createManualClock();
  const transport = createLocalTransport({ clock });
  await transport.respond('t.silent', 'q', () => new Promise(() => {}));
  const asked = expect(transport.request('t.silent', message(1), { timeoutMs: 5_000 })).rejects.toThrow(RequestTimeout);
  await clock.advance(5_008);
  await asked;
});

it('takes turns among the responders of a queue', async () => {
  const transport = createLocalTransport({ clock: createManualClock() });
  for (const name of ['a', 'b', 'c']) await transport.respond('t.turns', 'q', () => Promise.resolve(message(name)));
  const served: unknown[] = [];
  for (let round = 0; round < 6; round += 1) served.push((await transport.request('t.turns', message(1), { timeoutMs: 1_000 })).body);
  expect(served.slice(0, 3).toSorted()).toEqual(['a', 'b', 'c']);
  expect(served.slice(3)).toEqual(served.slice(0, 3));
  await transport.close();
});

it('says at once that a responder is busy with as many requests as it may have', async () => {
  const transport = createLocalTransport({ clock: createManualClock() });
  let finish = () => {};
  const held = new Promise<void>((resolve) => (finish = resolve));
  await transport.respond('t.busy', 'q', async (received) => {
    await held;
    return received;
  });
  const asked = Array.from({ length: limits.requestsRunningMax }, (_, index) =>
    transport.request('t.busy', message(index), { timeoutMs: 60_000 }),
  );
  await expect(transport.request('t.busy', message('one more'), { timeoutMs: 60_000 })).rejects.toThrow(NoResponders);
  finish();
  expect(await Promise.all(asked)).toHaveLength(limits.requestsRunningMax);
  await transport.close();
});

it('closes in bounded time although a handler never ends, and its caller hears of it', async () => {
  const clock = createManualClock();
  const transport = createLocalTransport({ clock });
  await transport.respond('t.silent', 'q', () => new Promise(() => {}));
  const asked = expect(transport.request('t.silent', message(1), { timeoutMs: 60_000 })).rejects.toThrow(TransportClosed);
  const closing = transport.close();
  await clock.advance(limits.transportDrainMs);
  await closing;
  await asked;
  expect(clock.sleepers()).toBe(0);
});

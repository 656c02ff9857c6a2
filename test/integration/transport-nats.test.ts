import { connect } from 'nats';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import type { Logger } from '../../src/logger.ts';
import { silentLogger } from '../../src/logger.ts';
import { createMetrics } from '../../src/metrics.ts';
import { systemRandom } from '../../src/random.ts';
import { connectNats } from '../../src/transport/nats-transport.ts';
import type { NatsTransportOptions } from '../../src/transport/nats-transport.ts';
import { commandSubject } from '../../src/transport/subjects.ts';
import { MessageTooLarge, NoResponders, RequestTimeout, TransportClosed, TransportUnreachable } from '../../src/transport/transport.ts';
import type { Message, Transport } from '../../src/transport/transport.ts';
import { startNatsServer } from '../support/nats-server.ts';
import { startCuttableProxy } from '../support/cuttable-proxy.ts';
import { watchLeaks } from '../support/leaks.ts';
import type { NatsServer, NatsServerOptions } from '../support/nats-server.ts';
import { eventually } from '../support/wait-for.ts';

const message = (body: unknown): Message => ({ type: 'ask', format: 1, body });
const echo = (received: Message) => Promise.resolve(received);
const inTime = { timeoutMs: 5_000 };

async function server(options: NatsServerOptions = {}): Promise<NatsServer> {
  const started = await startNatsServer(options);
  onTestFinished(() => started.remove());
  return started;
}

function connectTo(url: string, more: Partial<NatsTransportOptions> = {}): Promise<Transport> {
  return connectNats({ servers: [url], name: 'test', clock: systemClock, random: systemRandom, logger: silentLogger, ...more });
}

async function node(url: string, more: Partial<NatsTransportOptions> = {}): Promise<Transport> {
  const transport = await connectTo(url, more);
  onTestFinished(() => transport.close());
  return transport;
}

/** What of a failure to connect reaches people. */
async function troubleOf(connecting: Promise<Transport>): Promise<string> {
  const error: unknown = await connecting.then(
    (transport) => transport.close().then(() => 'connected'),
    (cause: unknown) => cause,
  );
  expect(error).toBeInstanceOf(TransportUnreachable);
  return (error as Error).message;
}

const passed = (ms: number, what: string) => {
  const until = performance.now() + ms;
  return eventually(() => performance.now() > until, what);
};

describe('when the connection breaks', () => {
  it('wakes who waits for it also after tries that the server refused, and counts one loss', async () => {
    const nats = await server({ token: 'right' });
    const here = await node(nats.url.replace('//', '//right@'));
    await here.respond('t.echo', 'q', echo);
    await nats.kill();
    await eventually(() => !here.connected(), 'it notices');
    let answeredAt = Infinity;
    const asked = here.request('t.echo', message(1), { timeoutMs: 20_000 }).then(() => (answeredAt = performance.now()));
    await nats.restart({ token: 'wrong' });
    await passed(3_000, 'some tries were refused');
    expect(here.connected()).toBe(false);
    await nats.kill();
    await nats.restart({ token: 'right' });
    await eventually(() => here.connected(), 'it is back');
    const backAt = performance.now();
    await asked;
    expect(answeredAt - backAt).toBeLessThan(1_000);
    expect(here.losses()).toBe(1);
  });

  it('is back soon after a server that died while it let us in', async () => {
    const nats = await server();
    const { hostname: host, port } = new URL(nats.url);
    const proxy = await startCuttableProxy({ host, port: Number(port) });
    onTestFinished(() => proxy.close());
    const here = await node(`nats://127.0.0.1:${proxy.port}`);
    await nats.kill();
    await eventually(() => !here.connected(), 'it notices');
    // It hears who the server is, and not whether it may come in.
    proxy.cut('to-server');
    await nats.restart();
    await passed(1_000, 'a try waits for its answer');
    await nats.kill();
    proxy.heal();
    await nats.restart();
    const began = performance.now();
    await eventually(() => here.connected(), 'it is back');
    expect(performance.now() - began).toBeLessThan(3_500);
  });

  it('comes back after the server was killed and started again, and serves as before', async () => {
    const nats = await server();
    const [here, there] = [await node(nats.url), await node(nats.url)];
    const heard: unknown[] = [];
    await there.respond('t.echo', 'q', echo);
    await there.subscribe('t.news', (received) => void heard.push(received.body));

    for (const round of [1, 2]) {
      await nats.kill();
      await eventually(() => !here.connected() && !there.connected(), 'both notice');
      await nats.restart();
      await eventually(() => here.connected() && there.connected(), 'both are back');
      // The other one has told the server what it serves and hears; the server may not have come to that yet.
      expect(await eventually(() => here.request('t.echo', message(round), inTime), 'the other one serves again')).toEqual(message(round));
      await eventually(() => {
        here.publish('t.news', message(round));
        return heard.includes(round);
      }, 'the subscriber hears again');
    }
  });

  it('waits no longer for answers that were under way, and counts what it lost', async () => {
    const nats = await server();
    const [here, there] = [await node(nats.url), await node(nats.url)];
    await there.respond('t.slow', 'q', () => new Promise(() => {}));
    const losses = [here.losses(), there.losses()];
    const asked = here.request('t.slow', message('lost'), { timeoutMs: 60_000 });
    const heard = expect(asked).rejects.toThrow(new RequestTimeout('the connection to NATS was lost before an answer on t.slow came'));
    await here.request('t.nobody', message('so that the first one has left'), inTime).catch(() => {});
    await nats.kill();
    await heard;
    await eventually(() => !there.connected(), 'the other one notices as well');
    expect([losses, here.losses(), there.losses()]).toEqual([[0, 0], 1, 1]);
  });

  it('holds a request until the connection is back, within its time-out', async () => {
    const nats = await server();
    const [here, there] = [await node(nats.url), await node(nats.url)];
    await there.respond('t.echo', 'q', echo);
    await nats.kill();
    await eventually(() => !here.connected(), 'it notices');

    await expect(here.request('t.echo', message('early'), { timeoutMs: 100 })).rejects.toThrow(NoResponders);
    const held = eventually(() => here.request('t.echo', message('held'), { timeoutMs: 10_000 }), 'the responder is back too', 15_000);
    await nats.restart();
    expect(await held).toEqual(message('held'));
  });

  it('drops what is published meanwhile, and takes a new subscriber that hears once it is back', async () => {
    const nats = await server();
    const here = await node(nats.url);
    await nats.kill();
    await eventually(() => !here.connected(), 'it notices');
    const heard: unknown[] = [];
    const subscribing = here.subscribe('t.news', (received) => void heard.push(received.body));
    here.publish('t.news', message('lost'));
    await nats.restart();
    await subscribing;
    await eventually(() => here.connected(), 'it is back');
    here.publish('t.news', message('heard'));
    await eventually(() => heard.length > 0, 'the new subscriber hears');
    expect(heard).toEqual(['heard']);
  });

  it('closes without a connection, and whoever waits hears of it', async () => {
    const nats = await server();
    const here = await node(nats.url);
    await here.respond('t.echo', 'q', echo);
    await nats.kill();
    await eventually(() => !here.connected(), 'it notices');
    const waiting = expect(here.request('t.echo', message('never'), { timeoutMs: 60_000 })).rejects.toThrow(TransportClosed);
    await here.close();
    await waiting;
  });
});

describe('when it cannot connect', () => {
  it('says where and what to do when nothing listens', async () => {
    const nats = await server();
    await nats.stop();
    const trouble = await troubleOf(node(nats.url.replace('nats://', 'nats://someone:s3cret@')));
    expect(trouble).toBe(
      `NATS does not answer at ${nats.url} (connection refused): start nats-server there, or leave NATS_URL away to run without it`,
    );
  });

  it('says that the credentials are wrong, without telling them', async () => {
    const nats = await server({ user: 'starling', pass: 'right' });
    const wrong = await troubleOf(node(nats.url.replace('nats://', 'nats://starling:wr0ng@')));
    expect(wrong).toBe(
      `NATS at ${nats.url} refuses the credentials: check the user and password (or the token) in NATS_URL, or the nkey in NATS_NKEY_FILE`,
    );
    expect(await troubleOf(node(nats.url))).toContain('refuses the credentials');
  });

  it('says so when the server offers no TLS, and when the address is none', async () => {
    const nats = await server();
    expect(await troubleOf(node(nats.url.replace('nats://', 'tls://')))).toContain('no secure connection to NATS');
    expect(await troubleOf(node('http://127.0.0.1:4222'))).toContain('the form nats://HOST:4222');
  });
});

describe('with strangers on the same server', () => {
  let nats: NatsServer;
  beforeEach(async () => {
    nats = await startNatsServer({ maxPayloadBytes: 4_096 });
  });
  afterEach(() => nats.remove());

  it('keeps two systems apart by their name spaces', async () => {
    const [one, two] = [await node(nats.url), await node(nats.url)];
    await one.respond(commandSubject('one', 'node', '*'), 'actors', () => Promise.resolve(message('one')));
    await expect(two.request(commandSubject('two', 'node', 7), message(null), inTime)).rejects.toThrow(NoResponders);
    await two.respond(commandSubject('two', 'node', '*'), 'actors', () => Promise.resolve(message('two')));
    expect(await one.request(commandSubject('one', 'node', 7), message(null), inTime)).toMatchObject({ body: 'one' });
    expect(await two.request(commandSubject('two', 'node', 7), message(null), inTime)).toMatchObject({ body: 'two' });
  });

  it('ignores, counts and logs (not each one) what is not in its format, and goes on', async () => {
    const metrics = createMetrics();
    const lines: string[] = [];
    const logger: Logger = { ...silentLogger, warn: (_, line) => void lines.push(line) };
    const [here, there] = [await node(nats.url), await node(nats.url, { metrics, logger })];
    await there.respond('t.echo', 'q', echo);
    await there.subscribe('t.news', () => expect.unreachable());

    const stranger = await connect({ servers: nats.url });
    onTestFinished(() => stranger.close());
    const odd = [
      '',
      'not json',
      '{"type":"ask"',
      'null',
      '[]',
      '"ask"',
      '{}',
      '{"type":1,"format":1}',
      '{"type":"ask","format":0}',
      '{"type":"ask","format":1.5}',
    ];
    for (const text of odd) {
      stranger.publish('t.echo', text, { reply: 't.reply' });
      stranger.publish('t.news', text);
    }
    stranger.publish('t.news', new Uint8Array([0xff, 0xfe, 0x22]));
    await stranger.flush();
    await eventually(async () => (await metrics.malformedMessages.get()).values[0]?.value === 2 * odd.length + 1, 'all are counted');
    expect(lines).toHaveLength(1);
    expect(await here.request('t.echo', message('still here'), inTime)).toEqual(message('still here'));
  });

  it('treats an answer that is not in its format as no answer', async () => {
    const here = await node(nats.url);
    const stranger = await connect({ servers: nats.url });
    onTestFinished(() => stranger.close());
    stranger.subscribe('t.echo', { callback: (_, received) => void received.respond('not json') });
    await stranger.flush();
    await expect(here.request('t.echo', message(1), inTime)).rejects.toThrow(RequestTimeout);
  });

  it('says clearly when a message is too large for the server, and stays connected', async () => {
    const here = await node(nats.url);
    await here.respond('t.echo', 'q', (received) => Promise.resolve(message(String(received.body).repeat(100))));
    await expect(here.request('t.echo', message('x'.repeat(5_000)), inTime)).rejects.toThrow(/has \d+ bytes; this NATS server takes 4096/);
    await expect(here.request('t.echo', message('x'.repeat(5_000)), inTime)).rejects.toThrow(MessageTooLarge);
    expect(() => here.publish('t.news', message('x'.repeat(5_000)))).toThrow(MessageTooLarge);
    await expect(here.request('t.echo', message('x'.repeat(100)), { timeoutMs: 200 })).rejects.toThrow(RequestTimeout);
    expect(await here.request('t.echo', message('x'), inTime)).toMatchObject({ body: 'x'.repeat(100) });
  });
});

it('says so when the user may not subscribe, and stays connected', async () => {
  const nats = await server({
    config: 'authorization { users: [{ user: a, password: b, permissions: { publish: ">", subscribe: ["_INBOX.>", "t.mine"] } }] }',
  });
  const here = await node(nats.url.replace('nats://', 'nats://a:b@'));
  await expect(here.respond('t.others', 'q', echo)).rejects.toThrow(/NATS does not allow to subscribe to t\.others/);
  await here.respond('t.mine', 'q', echo);
  expect(await here.request('t.mine', message(1), inTime)).toEqual(message(1));
});

it('leaves nothing open once it is closed, on a server that lives and on one that died', async () => {
  const leaks = watchLeaks();
  const nats = await server();
  const [first, second] = [await connectTo(nats.url), await connectTo(nats.url)];
  await first.respond('t.echo', 'q', echo);
  await second.request('t.echo', message(1), inTime);
  await first.close();
  await nats.kill();
  await eventually(() => !second.connected(), 'it notices');
  await second.close();
  await nats.remove();
  await leaks.expectNone();
});

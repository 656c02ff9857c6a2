import { once } from 'node:events';
import type { Socket } from 'node:net';
import type { Client } from 'graphql-ws';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { formatPosition } from '../../../src/events/position.ts';
import { limits } from '../../../src/limits.ts';
import { startTestPostgres } from '../../support/postgres.ts';
import { eventually } from '../../support/wait-for.ts';
import { startPushingSystem } from './pushing-system.ts';
import type { PushingGateway, PushingSystem } from './pushing-system.ts';

let system: PushingSystem;
let gateway: PushingGateway;
beforeAll(async () => {
  system = await startPushingSystem(await startTestPostgres());
  gateway = await system.startGateway();
});
afterAll(() => system?.stop());

// Every test has users of its own.
let test_ = 0;
const name = (user: string) => `${user}_${test_}`;
beforeEach(() => {
  test_ += 1;
});

const home =
  'subscription ($after: String, $since: Position) { homeTimeline(after: $after, since: $since) { cursor node { text author { handle } } } }';

interface Received {
  readonly texts: string[];
  readonly cursors: string[];
  readonly errors: unknown[];
  stop(): void;
}

function collect(client: Client, query = home, variables: Record<string, unknown> = {}): Received {
  const received: Received = { texts: [], cursors: [], errors: [], stop: () => undefined };
  const stop = client.subscribe<Record<string, { cursor: string; node: { text: string } }>>(
    { query, variables },
    {
      next({ data, errors }) {
        if (errors) received.errors.push(...errors);
        for (const edge of Object.values(data ?? {})) {
          received.texts.push(edge.node.text);
          received.cursors.push(edge.cursor);
        }
      },
      error: (error) => received.errors.push(...(Array.isArray(error) ? error : [error])),
      complete: () => undefined,
    },
  );
  return Object.assign(received, { stop });
}

/** The subscription is part of the live feed: its hand-over is done. */
async function subscribed(client: Client, query?: string, variables?: Record<string, unknown>): Promise<Received> {
  const before = system.counts.handOvers;
  const received = collect(client, query, variables);
  await eventually(() => system.counts.handOvers > before && system.counts.handOversAtOnce === 0, 'the hand-over is done');
  return received;
}

test('posts of followed users are pushed, from the follow to the unfollow, and one’s own', async () => {
  const [ann, ben] = [name('ann'), name('ben')];
  await system.register(ann);
  await system.register(ben);
  await system.post(ben, 'before the subscription');
  const pushes = await subscribed(system.client(gateway.url, ann));
  await system.post(ben, 'before the follow');
  await system.follow(ann, ben);
  await system.post(ben, 'first');
  await system.post(ann, 'own');
  await system.unfollow(ann, ben);
  await system.post(ben, 'after the unfollow');
  await system.follow(ann, ben);
  await system.post(ben, 'last');
  await eventually(() => pushes.texts.includes('last'), 'the last post is pushed');
  expect(pushes).toMatchObject({ texts: ['first', 'own', 'last'], errors: [] });
});

test('a cursor of a push resumes exactly behind it, and so does a position', async () => {
  const ann = name('ann');
  await system.register(ann);
  const positions = [];
  for (const text of ['1', '2', '3', '4']) positions.push((await system.post(ann, text)).position);
  const client = system.client(gateway.url, ann);
  const first = collect(client, home, { since: formatPosition(positions[0]!) });
  await eventually(() => first.texts.length === 3, 'three entries');
  first.stop();
  const second = collect(client, home, { after: first.cursors[1] });
  await eventually(() => second.texts.length === 1, 'one entry');
  await system.post(ann, '5');
  await eventually(() => second.texts.length === 2, 'two entries');
  expect([first.texts, second.texts]).toEqual([
    ['2', '3', '4'],
    ['4', '5'],
  ]);
});

test('what was deleted in between is left out', async () => {
  const ann = name('ann');
  await system.register(ann);
  const from = await system.post(ann, 'start');
  await system.post(ann, 'kept');
  const { postId } = await system.post(ann, 'deleted');
  await system.remove(ann, postId);
  await system.post(ann, 'also kept');
  const pushes = collect(system.client(gateway.url, ann), home, { since: formatPosition(from.position) });
  await eventually(() => pushes.texts.length === 2, 'two entries');
  expect(pushes.texts).toEqual(['kept', 'also kept']);
});

test('a position of the future is NOT_CAUGHT_UP after a bounded wait', { timeout: limits.caughtUpTimeoutMs + 5_000 }, async () => {
  const ann = name('ann');
  const { commit, logId } = await system.register(ann);
  const pushes = collect(system.client(gateway.url, ann), home, { since: formatPosition({ logId, commit: commit + 1_000_000, index: 0 }) });
  await eventually(() => pushes.errors.length > 0, 'an error', limits.caughtUpTimeoutMs + 2_000);
  expect(pushes.errors).toMatchObject([{ extensions: { code: 'NOT_CAUGHT_UP' } }]);
});

test('more than a thousand missed entries are CURSOR_TOO_OLD, a thousand are not', async () => {
  const ann = name('ann');
  const from = await system.register(ann);
  for (let posted = 0; posted < limits.resumeEntriesMax; posted += 1) await system.post(ann, `post ${posted}`);
  await system.caught();
  const client = system.client(gateway.url, ann);
  const enough = collect(client, home, { since: formatPosition(from) });
  await eventually(() => enough.texts.length === limits.resumeEntriesMax, 'a thousand entries');
  await system.post(ann, 'one more');
  await eventually(() => enough.texts.at(-1) === 'one more', 'one more');
  const tooOld = collect(client, home, { since: formatPosition(from) });
  await eventually(() => tooOld.errors.length > 0, 'an error');
  expect(tooOld).toMatchObject({ texts: [], errors: [{ extensions: { code: 'CURSOR_TOO_OLD' } }] });
});

test('resumes with no gap and no repeat while posts go on and the gateway is replaced, three times', async () => {
  const [ann, ben] = [name('ann'), name('ben')];
  await system.register(ann);
  await system.register(ben);
  const from = await system.follow(ann, ben);
  let passing = await system.startGateway();
  const { port, url } = passing;
  const texts: string[] = [];
  let last: string | undefined;
  let posted = 0;
  let posting = true;
  const poster = (async () => {
    while (posting) {
      posted += 1;
      await system.post(ben, `post ${posted}`);
      await new Promise((resolve) => setImmediate(resolve));
      if (posted % 20 === 0) await system.caught();
    }
  })();
  for (let restart = 0; restart < 4; restart += 1) {
    const pushes = collect(system.client(url, ann), home, last === undefined ? { since: formatPosition(from) } : { after: last });
    const target = 50 + Math.floor(posted / 100);
    await eventually(() => pushes.texts.length > target, 'some entries');
    if (restart === 3) {
      posting = false;
      await poster;
      await eventually(() => texts.length + pushes.texts.length >= posted, 'all of them');
    } else {
      await passing.close();
      passing = await system.startGateway(port);
    }
    texts.push(...pushes.texts);
    last = pushes.cursors.at(-1) ?? last;
  }
  expect(texts).toEqual(Array.from({ length: posted }, (_, index) => `post ${index + 1}`));
  await passing.close();
});

test(
  'a thousand clients that resume at once cost no scan of the log and a bounded number of snapshots at a time',
  { timeout: 60_000 },
  async () => {
    const count = 1_000;
    const star = name('star');
    await system.register(star);
    const viewers = Array.from({ length: count }, (_, index) => name(`v${index}`));
    let from = await system.register(viewers[0]!);
    for (const viewer of viewers) from = await system.follow(viewer, star);
    for (let post = 0; post < 5; post += 1) await system.post(star, `missed ${post}`);
    await system.caught();
    const before = { ...system.counts };
    system.counts.handOversAtOnceMax = 0;
    const began = performance.now();
    const all = viewers.map((viewer) => collect(system.client(gateway.url, viewer), home, { since: formatPosition(from) }));
    await system.post(star, 'live');
    await eventually(() => all.every(({ texts }) => texts.length >= 6), 'everybody has everything', 50_000);
    const tookMs = performance.now() - began;
    for (const { texts, errors } of all)
      expect([texts, errors]).toEqual([['missed 0', 'missed 1', 'missed 2', 'missed 3', 'missed 4', 'live'], []]);
    expect(system.counts).toMatchObject({ reads: before.reads, subscribes: before.subscribes });
    expect(system.counts.handOvers - before.handOvers).toBe(count);
    expect(system.counts.handOversAtOnceMax).toBeLessThanOrEqual(limits.handOversMax);
    expect(tookMs).toBeLessThan(30_000);
  },
);

test('PostgreSQL dies in mid-flight and comes back: nothing is lost and nothing doubled', { timeout: 60_000 }, async () => {
  const ann = name('ann');
  await system.register(ann);
  const pushes = await subscribed(system.client(gateway.url, ann));
  let posted = 0;
  const post = async (count: number) => {
    for (let more = 0; more < count; more += 1) await system.post(ann, `post ${(posted += 1)}`);
  };
  await post(20);
  await eventually(() => pushes.texts.length > 0, 'pushes flow');
  process.kill(system.postgres.server.pid()!, 'SIGKILL');
  await post(50);
  await eventually(() => pushes.texts.length >= posted, 'all of them', 40_000);
  await post(5);
  await eventually(() => pushes.texts.length >= posted, 'those after it too', 20_000);
  expect(pushes.texts).toEqual(Array.from({ length: posted }, (_, index) => `post ${index + 1}`));
  expect(pushes.errors).toEqual([]);
});

test('a client that does not read is told CONSUMER_TOO_SLOW and closed; what waits for it is bounded', { timeout: 60_000 }, async () => {
  const [ann, ben] = [name('ann'), name('ben')];
  await system.register(ann);
  await system.register(ben);
  await system.follow(ben, ann);
  const connections: Socket[] = [];
  const onConnection = (socket: Socket) => connections.push(socket);
  gateway.server.on('connection', onConnection);
  const slow = new WebSocket(gateway.url, 'graphql-transport-ws');
  const messages: { type: string; payload?: unknown }[] = [];
  slow.on('message', (data: Buffer) => messages.push(JSON.parse(data.toString())));
  await once(slow, 'open');
  slow.send(JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer token-${system.idOf(ann)}` } }));
  await eventually(() => messages.length === 1, 'acknowledged');
  const before = system.counts.handOvers;
  slow.send(JSON.stringify({ id: '1', type: 'subscribe', payload: { query: home } }));
  await eventually(() => system.counts.handOvers > before && system.counts.handOversAtOnce === 0, 'subscribed');
  const [connection] = connections;
  gateway.server.off('connection', onConnection);
  const healthy = await subscribed(system.client(gateway.url, ben));
  slow.pause();

  const closed = once(slow, 'close');
  const givenUp = async () => (await gateway.metrics.text()).includes('starling_slow_subscribers_total 1');
  const text = 'x'.repeat(8_000);
  let posted = 0;
  let waitingMax = 0;
  while (!(await givenUp())) {
    for (let more = 0; more < 50; more += 1) await system.post(ann, `${(posted += 1)} ${text}`);
    await system.caught();
    await eventually(() => healthy.texts.length === posted, 'the healthy one has them');
    waitingMax = Math.max(waitingMax, connection!.writableLength);
    expect(posted, 'it must be given up some time').toBeLessThan(5_000);
  }
  expect(waitingMax).toBeLessThanOrEqual(limits.subscriberBufferBytesMax);
  expect(posted).toBeGreaterThan(limits.subscriberBufferEntriesMax);

  slow.resume();
  const [code, reason] = (await closed) as [number, Buffer];
  expect([code, reason.toString()]).toEqual([1013, 'CONSUMER_TOO_SLOW']);
  expect(messages.at(-1)).toMatchObject({ id: '1', type: 'error', payload: [{ extensions: { code: 'CONSUMER_TOO_SLOW' } }] });
  expect(healthy.texts.length).toBe(posted);
  expect(healthy.errors).toEqual([]);
});

test('throughput tells what the log and the nodes did', async () => {
  const ann = name('ann');
  await system.register(ann);
  await subscribed(system.client(gateway.url, ann));
  const samples: {
    eventsPerSecond: number;
    pushedPerSecond: number;
    windowMs: number;
    byType: { type: string; amount: number; perSecond: number }[];
  }[] = [];
  const query =
    'subscription { throughput(everyMs: 100) { at windowMs eventsPerSecond pushedPerSecond projectedPerSecond commandsPerSecond byType { type amount perSecond peakPerSecond } } }';
  const stop = system
    .client(gateway.url)
    .subscribe<{ throughput: (typeof samples)[number] }>(
      { query },
      { next: ({ data }) => data && samples.push(data.throughput), error: () => undefined, complete: () => undefined },
    );
  await eventually(() => samples.length >= 1, 'a sample without anything');
  for (let posted = 0; posted < 10; posted += 1) await system.post(ann, 'a post');
  const posts = () =>
    samples.flatMap(({ byType }) => byType.filter(({ type }) => type === 'PostCreated')).reduce((sum, { amount }) => sum + amount, 0);
  await eventually(() => posts() >= 10, 'the posts are counted');
  await eventually(() => samples.some(({ pushedPerSecond }) => pushedPerSecond > 0), 'pushes are reported');
  stop();
  expect(posts()).toBe(10);
  for (const { windowMs, byType, eventsPerSecond } of samples) {
    expect(windowMs).toBeGreaterThanOrEqual(49);
    const total = byType.reduce((sum, each) => sum + each.amount, 0);
    expect(eventsPerSecond).toBeCloseTo((total * 1_000) / windowMs, -1);
  }
});

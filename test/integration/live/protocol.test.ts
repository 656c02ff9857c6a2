import { once } from 'node:events';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { WebSocket } from 'ws';
import { limits } from '../../../src/limits.ts';
import { DatabaseUnavailable } from '../../../src/projections/database.ts';
import { userIdNumber } from '../../unit/live/world.ts';
import { startLiveGateway } from './live-gateway.ts';
import type { LiveGateway } from './live-gateway.ts';

let gateway: LiveGateway;
beforeEach(async () => {
  gateway = await startLiveGateway({ timings: { connectionInitMs: 150, pingMs: 60_000 } });
});
afterEach(() => gateway.close());

const viewer = userIdNumber(1);
const init = { type: 'connection_init', payload: { authorization: `Bearer token-${viewer}` } };
const subscribe = (id: string, query = 'subscription { homeTimeline { cursor } }', variables?: object) => ({
  id,
  type: 'subscribe',
  payload: { query, ...(variables ? { variables } : {}) },
});

async function closing(socket: WebSocket): Promise<[number, string]> {
  const [code, reason] = (await once(socket, 'close')) as [number, Buffer];
  return [code, reason.toString()];
}

/** Opens a socket, sends messages one after the other and returns the answers; `count` of them. */
async function talk(
  messages: readonly (object | string)[],
  count: number,
): Promise<{ socket: WebSocket; answers: Record<string, unknown>[] }> {
  const socket = gateway.socket();
  const answers: Record<string, unknown>[] = [];
  const enough = new Promise<void>((resolve) => {
    socket.on('message', (data: Buffer) => {
      answers.push(JSON.parse(data.toString()));
      if (answers.length === count) resolve();
    });
  });
  await once(socket, 'open');
  for (const message of messages) {
    socket.send(typeof message === 'string' ? message : JSON.stringify(message));
    // Whoever introduces itself waits for the answer before it goes on.
    if (typeof message === 'object' && 'type' in message && message.type === 'connection_init' && messages.length > 1)
      await once(socket, 'message');
  }
  await enough;
  return { socket, answers };
}

async function closedAfter(...messages: readonly (object | string)[]): Promise<[number, string]> {
  const socket = gateway.socket();
  const closed = closing(socket);
  await once(socket, 'open');
  for (const message of messages) socket.send(typeof message === 'string' ? message : JSON.stringify(message));
  return closed;
}

test.each([['not JSON'], ['{"type":"no such thing"}'], ['{"id":"1","type":"subscribe","payload":{}}'], ['[]'], ['null'], ['{}']])(
  'a message that is none of the protocol closes with 4400: %s',
  async (message) => {
    expect(await closedAfter(message)).toEqual([4400, 'Invalid message received']);
  },
);

test('a binary message closes with 4400', async () => {
  const socket = gateway.socket();
  const closed = closing(socket);
  await once(socket, 'open');
  socket.send(Buffer.from(JSON.stringify(init)), { binary: true });
  expect((await closed)[0]).toBe(4400);
});

test('subscribing before the acknowledgement closes with 4401', async () => {
  expect(await closedAfter(subscribe('1'))).toEqual([4401, 'Unauthorized']);
});

test.each([['Bearer token'], ['Bearer '], ['token-1'], [7], [{}], ['Bearer token-a b']])(
  'an invalid token closes with 4403: %s',
  async (authorization) => {
    expect(await closedAfter({ type: 'connection_init', payload: { authorization } })).toEqual([4403, 'Forbidden']);
  },
);

test('who cannot be signed in while the database is away is told to try again', async () => {
  const find = () => Promise.reject(new DatabaseUnavailable('gone for a moment'));
  Object.assign(gateway.sessions.sessions, { find });
  expect(await closedAfter(init)).toEqual([1013, 'OVERLOADED']);
});

test.each([['graphql-ws'], ['soap'], [null]])('another subprotocol closes with 4406: %s', async (protocol) => {
  expect((await closing(gateway.socket(protocol)))[0]).toBe(4406);
});

test('silence closes with 4408', async () => {
  expect(await closedAfter()).toEqual([4408, 'Connection initialisation timeout']);
});

test('an id that is in use closes with 4409', async () => {
  const { socket } = await talk([init], 1);
  const closed = closing(socket);
  socket.send(JSON.stringify(subscribe('a')));
  socket.send(JSON.stringify(subscribe('a')));
  expect(await closed).toEqual([4409, 'Subscriber for a already exists']);
});

test('introducing oneself twice closes with 4429', async () => {
  expect(await closedAfter(init, init)).toEqual([4429, 'Too many initialisation requests']);
});

test.each([
  [{ type: 'connection_ack' }],
  [{ id: '1', type: 'next', payload: { data: null } }],
  [{ id: '1', type: 'error', payload: [{ message: 'x' }] }],
])('what only a server says closes with 4400: %j', async (message) => {
  expect(await closedAfter(init, message)).toEqual([4400, 'Invalid message received']);
});

test('too large a message closes with 1009', async () => {
  expect((await closedAfter(JSON.stringify({ ...init, x: 'x'.repeat(limits.bodyBytesMax) })))[0]).toBe(1009);
});

test('a message in more parts than are worth it closes with 1008', async () => {
  const socket = gateway.socket();
  await once(socket, 'open');
  const closed = closing(socket);
  for (let part = 0; part <= limits.messagePartsMax; part += 1) socket.send('x', { fin: false });
  expect((await closed)[0]).toBe(1008);
});

test('a message in some parts is read', async () => {
  const socket = gateway.socket();
  await once(socket, 'open');
  const [...parts] = JSON.stringify(init);
  for (const [at, part] of parts.entries()) socket.send(part, { fin: at === parts.length - 1 });
  const [answer] = (await once(socket, 'message')) as [Buffer];
  expect(JSON.parse(answer.toString())).toEqual({ type: 'connection_ack' });
});

test('another path is not found', async () => {
  const { WebSocket } = await import('ws');
  const socket = new WebSocket(gateway.url.replace('/graphql', '/other'), 'graphql-transport-ws');
  const [error] = (await once(socket, 'error')) as [Error];
  expect(error.message).toBe('Unexpected server response: 404');
});

test('whoever is refused and stays keeps no connection', async () => {
  const { connect } = await import('node:net');
  const { hostname, port } = new URL(gateway.url);
  const client = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
  client.write('GET /other HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
  const [answer] = (await once(client, 'data')) as [Buffer];
  expect(answer.toString()).toMatch(/^HTTP\/1.1 404 /);
  await expect.poll(() => gateway.connections()).toBe(0);
  client.destroy();
});

test('whoever offers another protocol than a WebSocket is answered in HTTP, request by request', async () => {
  const { Agent, request } = await import('node:http');
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const ask = (body: string) =>
    new Promise<string>((resolve, reject) => {
      const headers = { connection: 'Upgrade, HTTP2-Settings', upgrade: 'h2c', 'http2-settings': 'AAMAAABk', 'content-type': 'x/y' };
      const asked = request(gateway.url.replace('ws:', 'http:'), { method: 'POST', agent, headers }, (answer) => {
        answer
          .setEncoding('utf8')
          .toArray()
          .then((parts) => resolve(`${answer.statusCode} ${parts.join('')}`), reject);
      });
      asked.on('error', reject);
      asked.end(body);
    });
  const long = 'x'.repeat(300_000);
  expect(await ask('one')).toBe('200 POST /graphql x/y one');
  expect(await ask(long)).toBe(`200 POST /graphql x/y ${long}`);
  agent.destroy();
  await expect.poll(() => gateway.connections()).toBe(0);
});

test('a session that ends closes its sockets with 4403, and nothing is kept of them', async () => {
  const { socket } = await talk([init], 1);
  socket.send(JSON.stringify(subscribe('a')));
  const closed = closing(socket);
  const began = performance.now();
  await gateway.sessions.sessions.end(`token-${viewer}`);
  expect(await closed).toEqual([4403, 'Forbidden']);
  expect(performance.now() - began).toBeLessThan(1_000);
  await expect.poll(() => gateway.sessions.listening()).toBe(0);
  await expect.poll(async () => (await gateway.metricsText()).match(/subscribers\{field="homeTimeline"\} (\d+)/)?.[1] ?? '0').toBe('0');
});

test('the gateway goes away with 1001', async () => {
  const { socket } = await talk([init], 1);
  const closed = closing(socket);
  await gateway.closeSockets();
  expect(await closed).toEqual([1001, 'Going away']);
  const [late] = (await once(gateway.socket(), 'error')) as [Error];
  expect(late.message).toBe('Unexpected server response: 503');
});

test('a ping of the protocol is answered', async () => {
  const { answers } = await talk([{ type: 'ping', payload: { a: 1 } }], 1);
  expect(answers).toEqual([{ type: 'pong', payload: { a: 1 } }]);
});

test('whoever answers no ping is cut off', async () => {
  const impatient = await startLiveGateway({ timings: { pingMs: 50 } });
  const { WebSocket } = await import('ws');
  const deaf = new WebSocket(impatient.url, 'graphql-transport-ws', { autoPong: false });
  const alive = impatient.socket();
  let pings = 0;
  alive.on('ping', () => (pings += 1));
  expect((await closing(deaf))[0]).toBe(1006);
  await expect.poll(() => pings).toBeGreaterThan(3);
  expect(alive.readyState).toBe(alive.OPEN);
  await impatient.close();
});

// ---- what an operation is answered

async function answerTo(operation: object, as: object = init): Promise<unknown> {
  const { socket, answers } = await talk([as, operation], 2);
  socket.terminate();
  return answers[1];
}

const failure = (code: string, message: unknown = expect.any(String)) => ({
  id: '1',
  type: 'error',
  payload: [expect.objectContaining({ message, extensions: expect.objectContaining({ code }) })],
});
const anonymous = { type: 'connection_init' };

test('signed out, homeTimeline is UNAUTHENTICATED and userTimeline works', async () => {
  expect(await answerTo(subscribe('1'), anonymous)).toEqual(failure('UNAUTHENTICATED'));
  const pushed = answerTo(subscribe('1', 'subscription { userTimeline(handle: "U2") { node { text } } }'), anonymous);
  await expect.poll(() => gateway.world.counts.snapshots).toBe(1);
  await gateway.world.post(userIdNumber(2));
  expect(await pushed).toEqual({
    id: '1',
    type: 'next',
    payload: { data: { userTimeline: { node: { text: expect.stringMatching(/^text of/) } } } },
  });
});

test('a handle of nobody is BAD_USER_INPUT', async () => {
  expect(await answerTo(subscribe('1', 'subscription { userTimeline(handle: "nobody") { cursor } }'))).toEqual(failure('BAD_USER_INPUT'));
  expect(await answerTo(subscribe('1', 'subscription { userTimeline(handle: "\u212Aelvin") { cursor } }'))).toEqual(
    failure('BAD_USER_INPUT'),
  );
});

test('cursors and positions are checked', async () => {
  const query = 'subscription ($after: String, $since: Position) { homeTimeline(after: $after, since: $since) { cursor } }';
  const { formatPosition } = await import('../../../src/events/position.ts');
  const { formatCursor } = await import('../../../src/gateway/cursors.ts');
  const here = { logId: gateway.world.log.id, commit: 1, index: 0 };
  const elsewhere = { ...here, logId: '00000000-0000-4000-8000-000000000000' as never };
  const entry = '00000000-0000-7000-8000-000000000001';
  const answer = (variables: object) => answerTo(subscribe('1', query, variables));
  expect(await answer({ after: formatCursor('home', here, entry), since: formatPosition(here) })).toEqual(failure('BAD_USER_INPUT'));
  expect(await answer({ after: formatCursor('public', here, entry) })).toEqual(failure('CURSOR_INVALID'));
  expect(await answer({ after: formatCursor('home', elsewhere, entry) })).toEqual(failure('CURSOR_INVALID'));
  expect(await answer({ after: 'nonsense' })).toEqual(failure('CURSOR_INVALID'));
  expect(await answer({ since: formatPosition(elsewhere) })).toEqual(failure('CURSOR_INVALID'));
  expect(await answer({ since: 'nonsense' })).toEqual(failure('BAD_USER_INPUT'));
});

test.each([[99], [60_001], [-1]])('throughput every %s ms is BAD_USER_INPUT', async (everyMs) => {
  expect(await answerTo(subscribe('1', `subscription { throughput(everyMs: ${everyMs}) { at } }`))).toEqual(failure('BAD_USER_INPUT'));
});

test('documents are validated and limited as over HTTP', async () => {
  expect(await answerTo(subscribe('1', 'subscription { homeTimeline { cursor '))).toEqual(
    failure('BAD_USER_INPUT', expect.stringMatching(/^Syntax Error/)),
  );
  expect(await answerTo(subscribe('1', 'subscription { homeTimeline { nothing } }'))).toEqual(
    failure('BAD_USER_INPUT', 'Cannot query field "nothing" on type "PostEdge".'),
  );
  expect(await answerTo(subscribe('1', 'subscription { homeTimeline { cursor } userTimeline(handle: "a") { cursor } }'))).toEqual(
    failure('BAD_USER_INPUT'),
  );
  const aliases = Array.from({ length: 2_000 }, (_, index) => `a${index}: cursor`).join(' ');
  expect(await answerTo(subscribe('1', `subscription { homeTimeline { ${aliases} } }`))).toEqual(failure('QUERY_TOO_COMPLEX'));
  expect(
    await answerTo(
      subscribe(
        '1',
        `query { user(handle: "a") { followers(first: 100) { edges { node { followers(first: 100) { edges { node { id posts(first: 100) { edges { cursor } } } } } } } } } }`,
      ),
    ),
  ).toEqual(failure('QUERY_TOO_COMPLEX'));
  const none = 'subscription ($no: Boolean = false) { homeTimeline @include(if: $no) { cursor } }';
  expect(await answerTo(subscribe('1', none))).toEqual(failure('BAD_USER_INPUT'));
  expect(await answerTo({ id: '1', type: 'subscribe', payload: { query: 'query A { __typename } query B { __typename }' } })).toEqual(
    failure('BAD_USER_INPUT'),
  );
});

test('a message that subscribes is small, since it is kept; one that asks may be large', async () => {
  const along = { nothing: 'x'.repeat(limits.subscribeBytesMax) };
  expect(await answerTo(subscribe('1', 'subscription { homeTimeline { cursor } }', along))).toEqual(failure('QUERY_TOO_COMPLEX'));
  const asked = await answerTo(subscribe('1', 'query ($handle: String!) { user(handle: $handle) { handle } }', { ...along, handle: 'u2' }));
  expect(asked).toMatchObject({ id: '1', type: 'next' });
});

test('a document that subscribes has few tokens, since it is kept; one that asks may have many', async () => {
  const nested = (times: number, inner: string) => `${'... { '.repeat(times)}${inner}${' }'.repeat(times)}`;
  const fitting = Math.floor(limits.subscribeTokensMax / 3) - 3;
  expect(await answerTo(subscribe('1', `subscription { homeTimeline { ${nested(fitting + 3, 'cursor')} } }`))).toEqual(
    failure('QUERY_TOO_COMPLEX', expect.stringMatching(/^A document that subscribes has at most 250 tokens; this one has 25\d\.$/)),
  );
  const { answers } = await talk(
    [init, subscribe('1', `subscription { homeTimeline { ${nested(fitting, 'cursor')} } }`), { type: 'ping' }],
    2,
  );
  expect(answers).toEqual([expect.objectContaining({ type: 'connection_ack' }), { type: 'pong' }]);
  const asked = await answerTo(subscribe('1', `{ user(handle: "u2") { ${nested(fitting + 3, 'handle')} } }`));
  expect(asked).toMatchObject({ id: '1', type: 'next' });
});

test.each([
  'subscription { homeTimeline @skip(if: true) { cursor } }',
  'subscription { homeTimeline @include(if: true) { cursor } }',
  'subscription { ... @skip(if: true) { homeTimeline { cursor } } }',
  'subscription { ... { ...f @include(if: false) } } fragment f on Subscription { homeTimeline { cursor } }',
  'subscription { ...f } fragment f on Subscription { homeTimeline @skip(if: true) { cursor } }',
])('a subscription that could leave out its field is refused: %s', async (query) => {
  expect(await answerTo(subscribe('1', query))).toEqual(
    failure('BAD_USER_INPUT', 'The field of a subscription cannot be left out by @skip or @include.'),
  );
});

test('queries work over the WebSocket', async () => {
  const { answers } = await talk([init, subscribe('1', '{ user(handle: "u2") { handle } }')], 3);
  expect(answers.slice(1)).toEqual([
    { id: '1', type: 'next', payload: { data: { user: { handle: expect.stringMatching(/^u/) } } } },
    { id: '1', type: 'complete' },
  ]);
});

test('one connection has a bounded number of operations', async () => {
  const many = Array.from({ length: limits.subscriptionsPerSocketMax + 1 }, (_, index) => subscribe(`${index}`));
  const { answers } = await talk([init, ...many], 2);
  expect(answers[1]).toMatchObject({
    id: `${limits.subscriptionsPerSocketMax}`,
    type: 'error',
    payload: [{ extensions: { code: 'RATE_LIMITED' } }],
  });
});

test('nothing comes after the client has completed, and its id is free again', async () => {
  const { socket, answers } = await talk([init], 1);
  socket.send(JSON.stringify(subscribe('1')));
  await expect.poll(() => gateway.world.counts.snapshots).toBe(1);
  await gateway.world.post(viewer);
  await expect.poll(() => answers.length).toBe(2);
  socket.send(JSON.stringify({ id: '1', type: 'complete' }));
  socket.send(JSON.stringify(subscribe('1', '{ __typename }')));
  await expect.poll(() => answers.length).toBe(4);
  await gateway.world.post(viewer);
  socket.send(JSON.stringify({ type: 'ping' }));
  await expect.poll(() => answers.length).toBe(5);
  expect(answers.map(({ type }) => type)).toEqual(['connection_ack', 'next', 'next', 'complete', 'pong']);
});

test('one connection has a bounded number of operations, also of those that it has given up', async () => {
  let letGo: () => void = () => undefined;
  const held = new Promise<void>((resolve) => (letGo = resolve));
  const slow = await startLiveGateway({ beforeUserByHandle: () => held });
  const socket = slow.socket();
  const answers: { type: string }[] = [];
  socket.on('message', (data: Buffer) => answers.push(JSON.parse(data.toString())));
  await once(socket, 'open');
  socket.send(JSON.stringify({ type: 'connection_init' }));
  await expect.poll(() => answers.length).toBe(1);
  for (let number = 0; number <= limits.subscriptionsPerSocketMax; number++) {
    socket.send(JSON.stringify(subscribe('1', 'subscription { userTimeline(handle: "u2") { cursor } }')));
    socket.send(JSON.stringify({ id: '1', type: 'complete' }));
  }
  await expect.poll(() => answers.length).toBe(2);
  expect(answers[1]).toMatchObject({ id: '1', type: 'error', payload: [{ extensions: { code: 'RATE_LIMITED' } }] });
  letGo();
  await expect.poll(async () => (await slow.metricsText()).match(/subscribers\{field="userTimeline"\} (\d+)/)?.[1]).toBe('0');
  await slow.close();
});

test('an entry whose fields cannot be read ends the subscription, so that the last cursor resumes without a gap', async () => {
  let away = false;
  const flaky = await startLiveGateway({
    beforeRelations: async () => {
      if (away) throw new DatabaseUnavailable('gone for a moment');
    },
  });
  const client = flaky.client(viewer);
  const query = 'subscription ($after: String) { homeTimeline(after: $after) { cursor node { id author { viewerFollows } } } }';
  const listen = (after?: string) => {
    const received: { data: { homeTimeline: { cursor: string; node: { id: string } } } }[] = [];
    const over = new Promise((resolve) => {
      client.subscribe(
        { query, variables: { after } },
        { next: (message) => received.push(message as never), error: resolve, complete: () => resolve('complete') },
      );
    });
    return { received, over, ids: () => received.map(({ data }) => data.homeTimeline.node.id) };
  };
  const first = listen();
  await expect.poll(() => flaky.world.counts.snapshots).toBe(1);
  const shown = await flaky.world.post(viewer);
  await expect.poll(() => first.ids()).toEqual([shown]);
  away = true;
  const missed = await flaky.world.post(viewer);
  expect(await first.over).toMatchObject([{ extensions: { code: 'OVERLOADED' } }]);
  away = false;
  const second = listen(first.received[0]!.data.homeTimeline.cursor);
  const next = await flaky.world.post(viewer);
  await expect.poll(() => second.ids()).toEqual([missed, next]);
  expect(first.ids()).toEqual([shown]);
  await flaky.close();
});

test('an id that is taken again before its operation had begun is that of the new one alone', async () => {
  let letGo: () => void = () => undefined;
  const held = new Promise<void>((resolve) => (letGo = resolve));
  let asked = 0;
  const slow = await startLiveGateway({
    async beforeUserByHandle(handle) {
      asked += 1;
      if (handle === 'u2') await held;
    },
  });
  const socket = slow.socket();
  const answers: { type: string; payload?: unknown }[] = [];
  socket.on('message', (data: Buffer) => answers.push(JSON.parse(data.toString())));
  await once(socket, 'open');
  const send = (message: object) => socket.send(JSON.stringify(message));
  send({ type: 'connection_init' });
  await expect.poll(() => answers.length).toBe(1);
  const ofUser = (handle: string) => subscribe('1', `subscription { userTimeline(handle: "${handle}") { node { author { handle } } } }`);
  send(ofUser('u2'));
  await expect.poll(() => asked).toBe(1);
  send({ id: '1', type: 'complete' });
  send(ofUser('u3'));
  await expect.poll(() => slow.world.counts.snapshots).toBe(1);
  letGo();
  // A round trip, in which what was let go of comes to its end.
  send({ type: 'ping' });
  await expect.poll(() => answers.length).toBe(2);
  await slow.world.post(userIdNumber(2));
  await slow.world.post(userIdNumber(3));
  await expect.poll(() => answers.length).toBe(3);
  expect(answers.slice(1)).toEqual([
    { type: 'pong' },
    { id: '1', type: 'next', payload: { data: { userTimeline: { node: { author: { handle: 'u003' } } } } } },
  ]);
  socket.close();
  await expect.poll(async () => (await slow.metricsText()).match(/subscribers\{field="userTimeline"\} (\d+)/)?.[1]).toBe('0');
  await slow.close();
});

import { once } from 'node:events';
import type { Server } from 'node:http';
import { connect } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createGateway } from '../../../src/gateway/gateway.ts';
import { createSchema } from '../../../src/gateway/schema.ts';
import { limits } from '../../../src/limits.ts';
import { eventually } from '../../support/wait-for.ts';
import { startSystem } from './system.ts';
import type { System } from './system.ts';

let system: System;
beforeAll(async () => (system = await startSystem()));
afterAll(() => system?.stop());

const badInput = (message: string, place: object = {}) => ({ errors: [{ message, ...place, extensions: { code: 'BAD_USER_INPUT' } }] });
const json = (body: unknown) => JSON.stringify(body);

describe('a request that is not one', () => {
  test.each([
    ['no JSON', '{ "query": ', 'The body is not JSON.'],
    ['nothing', '', 'The body is empty; it has to be a JSON object with a "query".'],
    ['a text', '"{ viewer { id } }"', 'A request is a JSON object with a "query", or an array of such objects.'],
    ['null', 'null', 'A request is a JSON object with a "query", or an array of such objects.'],
    ['no query', '{}', '"query" has to be a GraphQL document, as a string.'],
    ['a query that is no text', '{ "query": 7 }', '"query" has to be a GraphQL document, as a string.'],
    ['an empty query', '{ "query": "" }', '"query" has to be a GraphQL document, as a string.'],
    ['variables that are a list', '{ "query": "{ viewer { id } }", "variables": [] }', '"variables" has to be a JSON object.'],
    ['variables that are a text', '{ "query": "{ viewer { id } }", "variables": "{}" }', '"variables" has to be a JSON object.'],
    ['an operation that is a number', '{ "query": "{ viewer { id } }", "operationName": 1 }', '"operationName" has to be a string.'],
    ['a poisoned prototype', '{ "query": "{ viewer { id } }", "__proto__": { "x": 1 } }', 'The body is not JSON.'],
    ['an empty batch', '[]', 'A batch has at least one operation.'],
  ])('such as %s is refused', async (_, body, message) => {
    const answer = await system.post(body);
    expect({ status: answer.status, body: answer.body }).toEqual({ status: 400, body: badInput(message) });
  });

  test('because its bytes are no UTF-8 is refused', async () => {
    const answer = await system.post(Buffer.from('{"query":"{ user(handle: \\"\xff\\") { id } }"}', 'latin1'));
    expect(answer).toMatchObject({ status: 400, body: badInput('The body is not UTF-8.') });
  });

  test.each(['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'application/graphql'])(
    'because it is %s, as a page of another origin could send, is refused',
    async (type) => {
      const answer = await system.post(json({ query: 'mutation { logout { userErrors { code } } }' }), { 'content-type': type });
      expect(answer).toMatchObject({ status: 415, body: badInput('Send JSON, with the header "Content-Type: application/json".') });
    },
  );

  test('because it is a GET is refused', async () => {
    const response = await fetch(`${system.url}/graphql?query={viewer{id}}`);
    expect([response.status, response.headers.get('allow'), await response.json()]).toEqual([
      405,
      'POST',
      badInput('Send operations with POST, and subscribe over a WebSocket.'),
    ]);
  });

  test('because there is nothing at its path is refused', async () => {
    const response = await fetch(`${system.url}/graphqll`, { method: 'POST' });
    expect([response.status, await response.json()]).toEqual([404, badInput('There is nothing here. GraphQL is at POST /graphql.')]);
  });

  test.each(['/%zz', '/graphql/%c3%28'])('because its path %s is no path is refused', async (path) => {
    const response = await fetch(`${system.url}${path}`);
    expect([response.status, await response.json()]).toEqual([400, badInput('This request cannot be understood.')]);
    expect(response.headers.get('x-content-type-options')).toBe('nosniff');
  });

  test('because it is too large is refused, with the connection closed to what is left', async () => {
    const answer = await system.post(json({ query: `{ viewer { id } } #${'x'.repeat(200_000)}` }));
    expect(answer).toMatchObject({ status: 413, body: badInput('A request has at most 131072 bytes.') });
  });

  test('because it is no HTTP is closed', async () => {
    const answered = await new Promise<string>((resolve, reject) => {
      const socket = connect(Number(new URL(system.url).port), '127.0.0.1', () => socket.end('nonsense\r\n\r\n'));
      let text = '';
      socket.on('data', (data) => (text += data.toString()));
      socket.on('close', () => resolve(text));
      socket.on('error', reject);
    });
    expect(answered).toMatch(/^HTTP\/1.1 400 Bad Request/);
  });
});

describe('a document that is wrong', () => {
  test.each([
    ['syntax', { query: '{ viewer { ' }, 'Syntax Error: Expected Name, found <EOF>.', { locations: [{ line: 1, column: 12 }] }],
    [
      'an unknown field',
      { query: '{ password }' },
      'Cannot query field "password" on type "Query".',
      { locations: [{ line: 1, column: 3 }] },
    ],
    [
      'a wrong type',
      { query: '{ user(handle: 7) { id } }' },
      'String cannot represent a non string value: 7',
      { locations: [{ line: 1, column: 16 }] },
    ],
    [
      'a variable of the wrong type',
      { query: 'query ($handle: String!) { user(handle: $handle) { id } }', variables: { handle: ['ada'] } },
      'Variable "$handle" got an invalid value; String cannot represent a non string value.',
      { locations: [{ line: 1, column: 8 }] },
    ],
    [
      'a variable that is missing',
      { query: 'query ($handle: String!) { user(handle: $handle) { id } }' },
      'Variable "$handle" of required type "String!" was not provided.',
      { locations: [{ line: 1, column: 8 }] },
    ],
    [
      'an unknown field of an input',
      {
        query: 'mutation ($input: LoginInput!) { login(input: $input) { token } }',
        variables: { input: { handle: 'a', password: 'b', admin: true } },
      },
      'Variable "$input" got an invalid value; Field "admin" is not defined by type "LoginInput".',
      { locations: [{ line: 1, column: 11 }] },
    ],
    [
      'two operations and no name',
      { query: 'query A { viewer { id } } query B { viewer { id } }' },
      'Must provide operation name if query contains multiple operations.',
      {},
    ],
    ['an unknown operation', { query: 'query A { viewer { id } }', operationName: 'B' }, 'Unknown operation named "B".', {}],
    [
      'a JSON document for a document',
      { query: '{"kind":"Document","definitions":[]}' },
      'Syntax Error: Expected Name, found String "kind".',
      { locations: [{ line: 1, column: 2 }] },
    ],
  ])('for %s is told so, each time the same', async (_, body, message, place) => {
    for (let time = 0; time < 4; time++) {
      const answer = await system.post(json(body));
      expect({ status: answer.status, body: answer.body }).toEqual({ status: 400, body: badInput(message, place) });
    }
  });

  test.each([
    [{ handle: 7, password: 'my secret' }, ' at "input.handle"; String cannot represent a non string value.'],
    [{ password: 'my secret' }, '; Field "handle" of required type "String!" was not provided.'],
    [{ handle: 'a', pasword: 'my secret' }, '; Field "password" of required type "String!" was not provided.'],
    [{ handle: 'a', password: ['my; secret: 1'] }, ' at "input.password"; String cannot represent a non string value.'],
    ['my secret', '; Expected type "RegisterInput" to be an object.'],
  ])('does not show a password that it holds: %j', async (input, what) => {
    const query = 'mutation ($input: RegisterInput!) { register(input: $input) { token } }';
    const answer = await system.post(json({ query, variables: { input } }));
    expect(answer.status).toBe(400);
    expect((answer.body as { errors: unknown[] }).errors[0]).toMatchObject({ message: `Variable "$input" got an invalid value${what}` });
    expect(json(answer.body)).not.toContain('secret');
  });

  test('a subscription over HTTP is told where to go', async () => {
    const answer = await system.post(json({ query: 'subscription { homeTimeline { cursor } }' }));
    expect({ status: answer.status, body: answer.body }).toEqual({
      status: 400,
      body: badInput('Subscriptions go over a WebSocket, with the protocol graphql-transport-ws.'),
    });
  });
});

describe('limits', () => {
  const tooComplex = async (body: unknown) => {
    const answer = await system.post(json(body));
    return [
      answer.status,
      (answer.body as { errors: { extensions: object; message: string }[] }).errors.map(({ extensions, message }) => [extensions, message]),
    ];
  };
  const code = { code: 'QUERY_TOO_COMPLEX' };

  test('bound depth, aliases, tokens, bytes and complexity', async () => {
    const deep = `{ viewer { ${'posts { edges { node { author { '.repeat(3)} id ${'} } } } '.repeat(3)} } }`;
    expect(await tooComplex({ query: deep })).toEqual([400, [[code, 'Fields may be nested 12 deep; these are 14 deep.']]]);
    const aliases = Array.from({ length: 2_000 }, (_, index) => `a${index}:id`).join(' ');
    expect(await tooComplex({ query: `{ viewer { ${aliases} } }` })).toEqual([400, [[code, 'A document has at most 1000 tokens.']]]);
    expect(await tooComplex({ query: `{ viewer { ${aliases.slice(0, 250)} } }` })).toEqual([
      400,
      [[code, expect.stringMatching(/^A document may have 30 aliases; this one has \d+\.$/)]],
    ]);
    expect(await tooComplex({ query: `{ viewer { id } } #${'x'.repeat(40_000)}` })).toEqual([
      400,
      [[code, 'A document has at most 32768 bytes.']],
    ]);
    const nested =
      'query ($n: Int) { viewer { followers(first: $n) { edges { node { following(first: $n) { edges { node { id } } } } } } } }';
    expect(await tooComplex({ query: nested, variables: { n: 100 } })).toEqual([
      400,
      [[code, 'The complexity is 35251, and at most 20000: ask for smaller pages or fewer fields.']],
    ]);
    expect((await system.post(json({ query: nested, variables: { n: 5 } }))).status).toBe(200);
  });

  test('bound a batch, in number and as a whole', async () => {
    const viewer = { query: '{ viewer { id } }' };
    expect(await system.post(json(Array(10).fill(viewer)))).toMatchObject({
      status: 200,
      body: Array(10).fill({ data: { viewer: null } }),
    });
    expect(await tooComplex(Array(11).fill(viewer))).toEqual([400, [[code, 'A batch has at most 10 operations; this one has 11.']]]);
    const large = {
      query:
        '{ publicTimeline(first: 100) { edges { node { id text createdAt author { id handle name bio createdAt postCount followerCount followingCount a: id b: id c: id d: id e: id f: id g: id h: id i: id j: id k: id l: id m: id n: id o: id p: id q: id r: id s: id t: id u: id v: id } } } } }',
    };
    const { body } = await system.post(json(Array(8).fill(large)));
    const outcomes = (body as { data?: object; errors?: { extensions: object }[] }[]).map(({ data, errors }) =>
      data ? 'answered' : errors?.[0]?.extensions,
    );
    expect(outcomes.filter((outcome) => outcome === 'answered').length).toBeGreaterThan(2);
    expect(outcomes.at(-1)).toEqual(code);
  });

  test('a batch is carried out in order, and one bad operation spoils no other', async () => {
    const { token } = await system.register('batcher');
    const post = (text: string) => ({
      query: 'mutation ($text: String!) { createPost(input: { text: $text }) { post { text author { postCount } } } }',
      variables: { text },
    });
    const response = await fetch(`${system.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: json([post('one'), { query: '{ nonsense }' }, 7, post('two')]),
    });
    expect([response.status, await response.json()]).toMatchObject([
      200,
      [
        { data: { createPost: { post: { text: 'one', author: { postCount: 1 } } } } },
        { errors: [{ message: 'Cannot query field "nonsense" on type "Query".' }] },
        { errors: [{ message: 'A request is a JSON object with a "query", or an array of such objects.' }] },
        { data: { createPost: { post: { text: 'two', author: { postCount: 2 } } } } },
      ],
    ]);
  });

  test('let tools introspect, but not thirty times at once', async () => {
    const { getIntrospectionQuery } = await import('graphql');
    for (let time = 0; time < 4; time++) expect((await system.gql(getIntrospectionQuery())).__schema.types.length).toBeGreaterThan(30);
    const often = Array.from({ length: 30 }, (_, index) => `a${index}: __schema { types { name description } }`).join(' ');
    expect(await tooComplex({ query: `{ ${often} }` })).toEqual([400, [[code, expect.stringMatching(/^The complexity is 15\d{4}, and/)]]]);
    const batch = await system.post(json(Array(10).fill({ query: getIntrospectionQuery() })));
    expect((batch.body as { data?: object }[]).filter(({ data }) => data).length).toBeLessThan(4);
  });

  test('keep large documents from being compiled; they are answered in the same words, faults too', async () => {
    const { token } = await system.register('large_asker');
    const user = 'id handle name bio createdAt postCount followerCount followingCount viewerFollows followsViewer';
    const query = `query ($handle: String!) { home: homeTimeline(first: -1) { edges { cursor } }
      ${Array.from({ length: 25 }, (_, index) => `a${index}: user(handle: $handle) { ...u }`).join(' ')} } fragment u on User { ${user} }`;
    const ask = (variables: object) =>
      system.ask(query.replace('home: homeTimeline(first: -1) { edges { cursor } }', ''), variables, token);
    for (let time = 0; time < 4; time++) {
      const { data, errors } = await ask({ handle: 'large_asker' });
      expect([errors, Object.keys(data).length, data.a7.handle]).toEqual([[], 25, 'large_asker']);
      expect(await ask({})).toMatchObject({
        status: 400,
        errors: [{ message: 'Variable "$handle" of required type "String!" was not provided.' }],
      });
      expect((await system.ask(query, { handle: 'large_asker' }, token)).errors).toMatchObject([
        { message: '"first" is 0 to 100, not -1.', path: ['home'], extensions: { code: 'BAD_USER_INPUT' } },
      ]);
    }
    const wrong = await system.ask(query.replace('bio', 'salary'), { handle: 'large_asker' }, token);
    expect(wrong).toMatchObject({ status: 400, errors: [{ message: 'Cannot query field "salary" on type "User".' }] });
  });
});

describe('a document that is asked for often, and therefore compiled', () => {
  const page = 'pageInfo { hasNextPage hasPreviousPage startCursor endCursor position }';
  const post = 'id text createdAt author { id handle }';
  const person = 'id handle name bio createdAt postCount followerCount followingCount viewerFollows followsViewer';
  test.each([
    `cluster { nodes { id roles startedAt lastSeenAt shards activeActors commandsPerSecond } shardCount transport eventLog
       projections { name position lagEvents eventsPerSecond rebuilding stoppedBy } }`,
    `statistics { amount elapsedSeconds speed runs(first: 3) { ${page} edges { cursor node {
       id label startedAt endedAt amount elapsedSeconds speed byType { type amount perSecond peakPerSecond } } } } }`,
    `viewer { ${person} posts(first: 3) { ${page} edges { cursor node { ${post} } } } }`,
    `user(handle: "often") { followers(first: 3) { ${page} edges { cursor followedAt node { id } } } following(first: 3) { edges { node { id } } } }`,
    `homeTimeline(first: 3) { ${page} edges { cursor node { ${post} } } }`,
    `publicTimeline(first: 3) { ${page} edges { cursor node { ${post} } } }`,
  ])('gives every field as before: %s', async (fields) => {
    const { token } = await system.register(`often_${fields.length}`);
    for (let time = 0; time < limits.documentsCompiledAfter + 2; time++)
      expect((await system.ask(`{ ${fields} }`, {}, token)).errors).toEqual([]);
  });
});

describe('a variable with a default', () => {
  const often = Array.from({ length: limits.documentsCompiledAfter + 2 });

  test('may be left out, also where it must not be null and the document is asked for often', async () => {
    const query =
      'query ($first: Int! = 7, $handle: String! = "nobody_at_all") { publicTimeline(first: $first) { edges { cursor } } user(handle: $handle) { id } }';
    for (const _ of often) {
      expect((await system.post(json({ query, variables: { handle: 'nobody_else' } }))).body).toMatchObject({ data: { user: null } });
      expect((await system.post(json({ query }))).body).toMatchObject({ data: { user: null } });
      expect((await system.post(json({ query, variables: { first: null } }))).status).toBe(400);
    }
  });

  test.each(['toString', '__proto__'])('may be called what every object has: %s', async (name) => {
    const query = `query ($${name}: Int = 0) { publicTimeline(first: $${name}) { edges { cursor } } }`;
    for (const _ of often) expect((await system.post(json({ query }))).body).toEqual({ data: { publicTimeline: { edges: [] } } });
  });

  test('that is null where only its default fits is the fault of the client', async () => {
    const { token } = await system.register('null_giver');
    const query = 'mutation ($text: String = "") { createPost(input: { text: $text }) { userErrors { code } } }';
    for (const _ of often) {
      expect((await system.ask(query, {}, token)).data).toEqual({ createPost: { userErrors: [{ code: 'post-empty' }] } });
      expect((await system.ask(query, { text: null }, token)).errors).toMatchObject([{ extensions: { code: 'BAD_USER_INPUT' } }]);
    }
  });
});

describe('the operation that is asked for', () => {
  test('is the one that is carried out, however often and in whatever order', async () => {
    const query = 'query A { a: viewer { id } } query B { b: viewer { id } }';
    for (const operationName of ['A', 'B', 'A', 'B', 'B', 'A']) {
      const answer = await system.post(json({ query, operationName }));
      expect(answer.body).toEqual({ data: operationName === 'A' ? { a: null } : { b: null } });
    }
  });

  test.each(['B', '-', 'é'])('has to be there, also in a document that is compiled: %s', async (operationName) => {
    const query = `query A ($n: Int = 100) { publicTimeline(first: $n) { edges { node { author { posts(first: $n) { edges { node { author { id handle } } } } } } } } }
      # ${operationName}`;
    for (let time = 0; time < limits.documentsCompiledAfter + 2; time++) {
      expect((await system.post(json({ query, variables: { n: 1 } }))).body).toMatchObject({ data: { publicTimeline: {} } });
    }
    expect((await system.post(json({ query }))).body).toMatchObject({ errors: [{ extensions: { code: 'QUERY_TOO_COMPLEX' } }] });
    const answer = await system.post(json({ query, operationName }));
    expect(answer).toMatchObject({ status: 400, body: badInput(`Unknown operation named "${operationName}".`) });
  });
});

describe('beside GraphQL', () => {
  test('stand health and metrics', async () => {
    expect(await (await fetch(`${system.url}/healthz`)).json()).toEqual({ status: 'ok' });
    const ready = await fetch(`${system.url}/readyz`);
    expect([ready.status, await ready.json()]).toEqual([200, { status: 'ready' }]);
    const metrics = await (await fetch(`${system.url}/metrics`)).text();
    expect(metrics).toMatch(/starling_http_request_seconds_count\{route="\/graphql",status="400"\} \d+/);
    expect(metrics).toMatch(/starling_graphql_errors_total\{code="QUERY_TOO_COMPLEX"\} \d+/);
  });

  test('a node that is behind is not ready, and says what it waits for', async () => {
    const details = { projections: { network: { behindBy: 7 } } };
    const gateway = await createGateway(system.services, { schema: createSchema(), ready: async () => ({ ready: false, details }) });
    const { url } = await gateway.listen({ host: '127.0.0.1', port: 0 });
    const response = await fetch(`${url}/readyz`);
    expect([response.status, await response.json()]).toEqual([503, { status: 'not ready', ...details }]);
    await gateway.close();
  });

  test('a port that is taken is named, with the cure', async () => {
    const gateway = await createGateway(system.services, { schema: createSchema(), ready: async () => ({ ready: true, details: {} }) });
    const port = Number(new URL(system.url).port);
    await expect(gateway.listen({ host: '127.0.0.1', port })).rejects.toThrow(
      `Port ${port} of 127.0.0.1 is taken by another program. Choose another port, or stop that program.`,
    );
    await gateway.close();
  });

  test('stands a page that loads nothing from outside', async () => {
    const response = await fetch(system.url);
    expect(response.status).toBe(200);
    const policy = response.headers.get('content-security-policy')!;
    expect(policy).toMatch(/^default-src 'none'; script-src 'self' 'sha256-[A-Za-z0-9+/]{43}='; /);
    const page = await response.text();
    const linked = [...page.matchAll(/(?:src|href)="(\/[^"]+)"/g)].map(([, path]) => path);
    expect(linked).toHaveLength(5);
    expect(page).not.toMatch(/(?:src|href)="(?:https?:)?\/\//);
    for (const path of linked) {
      const file = await fetch(`${system.url}${path}`);
      expect([path, file.status, (await file.arrayBuffer()).byteLength > 1_000]).toEqual([path, 200, true]);
    }
  });

  test('nothing is sent without its guards', async () => {
    const { headers } = await system.post(json({ query: '{ viewer { id } }' }));
    expect(Object.fromEntries(headers)).toMatchObject({
      'content-type': 'application/json; charset=utf-8',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'referrer-policy': 'no-referrer',
    });
  });
});

test('who sends a request slowly, or does not read its answer, is not waited for', async () => {
  let timeouts: object = {};
  const gateway = await createGateway(system.services, {
    schema: createSchema(),
    ready: async () => ({ ready: true, details: {} }),
    attach: ({ headersTimeout, requestTimeout, keepAliveTimeout, timeout, maxConnections }) => {
      timeouts = { headersTimeout, requestTimeout, keepAliveTimeout, timeout, bounded: maxConnections > 0 };
      return { close: async () => undefined };
    },
  });
  expect(timeouts).toEqual({ headersTimeout: 10_000, requestTimeout: 30_000, keepAliveTimeout: 72_000, timeout: 120_000, bounded: true });
  await gateway.close();
});

test('an answer that nobody reads is given up', async () => {
  let given: Server | undefined;
  const gateway = await createGateway(system.services, {
    schema: createSchema(),
    ready: async () => ({ ready: true, details: {} }),
    attach(server) {
      // Two minutes, for a test.
      expect(server.timeout).toBe(limits.connectionSilentMs);
      server.timeout = 100;
      given = server;
      return { close: async () => undefined };
    },
  });
  const { port } = await gateway.listen({ host: '127.0.0.1', port: 0 });
  const accepted = once(given!, 'connection');
  const client = connect(port, '127.0.0.1').pause();
  await accepted;
  // More than the buffers of the system hold.
  client.write('GET /graphiql/graphiql.js HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(50));
  const connections = () => new Promise((resolve) => given!.getConnections((_, count) => resolve(count)));
  await eventually(async () => (await connections()) === 0, 'the client is cut off');
  client.destroy();
  await gateway.close();
});

test('a body in chunks of one byte each takes little memory, and is read', async () => {
  let received = () => 0;
  const gateway = await createGateway(system.services, {
    schema: createSchema(),
    ready: async () => ({ ready: true, details: {} }),
    attach(server) {
      server.on('connection', (socket) => (received = () => socket.bytesRead));
      return { close: async () => undefined };
    },
  });
  const { port } = await gateway.listen({ host: '127.0.0.1', port: 0 });
  const body = json({ query: `{ viewer { id } }`, padding: 'x'.repeat(100_000) });
  const chunks = [...body].map((byte) => `1\r\n${byte}\r\n`).join('');
  const head =
    'POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n';
  const client = connect(port, '127.0.0.1');
  const before = heapUsed();
  client.write(head + chunks);
  await eventually(() => received() === head.length + chunks.length, 'the gateway has read the chunks');
  const taken = heapUsed() - before;
  const answer = readAll(client);
  client.write('0\r\n\r\n');
  expect(await answer).toMatch(/^HTTP\/1.1 200 OK[^]*\{"data":\{"viewer":null\}\}/);
  // Kept as they come, they take some 20 MB of the heap alone.
  expect(taken).toBeLessThan(8_000_000);
  await gateway.close();
});

function heapUsed(): number {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  return process.memoryUsage().heapUsed;
}

async function readAll(stream: AsyncIterable<Buffer>): Promise<string> {
  let text = '';
  for await (const part of stream) text += part.toString();
  return text;
}

/** A gateway in which `publicTimeline` waits to be let go. */
async function startHeld() {
  let release: () => void = () => undefined;
  let asked: () => void = () => undefined;
  const begun = new Promise<void>((resolve) => (asked = resolve));
  const held = new Promise<void>((resolve) => (release = resolve));
  const services = {
    ...system.services,
    readModel: {
      ...system.services.readModel,
      publicTimeline: async (range: Parameters<System['services']['readModel']['publicTimeline']>[0]) => {
        asked();
        await held;
        return system.services.readModel.publicTimeline(range);
      },
    },
  };
  const gateway = await createGateway(services, { schema: createSchema(), ready: async () => ({ ready: true, details: {} }) });
  const { url, port } = await gateway.listen({ host: '127.0.0.1', port: 0 });
  return { gateway, url, port, begun, release };
}

test('a gateway that closes lets running requests finish', async () => {
  const { gateway, url, begun, release } = await startHeld();
  const answer = fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: json({ query: '{ publicTimeline(first: 1) { edges { cursor } } }' }),
  });
  await begun;
  const closed = gateway.close();
  release();
  expect((await answer).status).toBe(200);
  await closed;
  await expect(fetch(url)).rejects.toThrow();
});

test('what still comes over a connection of a gateway that closes is answered like any other, and the connection ends', async () => {
  const { gateway, url, port, begun, release } = await startHeld();
  const client = connect({ host: '127.0.0.1', port });
  const answers = client.setEncoding('utf8').toArray();
  const ask = (query: string) => {
    const body = json({ query });
    client.write(`POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  };
  ask('{ publicTimeline(first: 1) { edges { cursor } } }');
  await begun;
  const closed = gateway.close();
  await expect
    .poll(() =>
      fetch(url).then(
        () => 'open',
        () => 'closed',
      ),
    )
    .toBe('closed');
  ask('{ viewer { id } }');
  release();
  const text = (await answers).join('');
  expect(text.match(/HTTP\/1.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 200']);
  expect(text).toContain('{"data":{"viewer":null}}');
  await closed;
});

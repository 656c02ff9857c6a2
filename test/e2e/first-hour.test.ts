import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { gql, gqlAnswer, register } from '../support/graphql-client.ts';
import { subscribeLive } from '../support/live-entries.ts';
import { startStarling } from '../support/starling-process.ts';
import type { StarlingProcess } from '../support/starling-process.ts';
import { tempDir } from '../support/temp-dir.ts';
import { eventually } from '../support/wait-for.ts';

// A newcomer's first hour, told as one story: everything goes through the built program, over HTTP and WebSocket.

const password = 'correct horse battery';
const createPost =
  'mutation ($text: String!) { createPost(input: { text: $text }) { post { id text author { handle } } position userErrors { code } } }';
const home = `query ($first: Int, $after: String, $last: Int, $before: String, $atLeast: Position) {
  homeTimeline(first: $first, after: $after, last: $last, before: $before, atLeast: $atLeast) {
    edges { cursor node { id text author { handle } } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor position }
  }
}`;
const pushed = 'subscription ($after: String, $since: Position) { homeTimeline(after: $after, since: $since) { cursor node { id text } } }';

interface Edge {
  readonly cursor: string;
  readonly node: { readonly id: string; readonly text: string };
}

test(
  'a newcomer starts it, acts, reads, is pushed, logs out, restarts, and loses nothing with the read models',
  { timeout: 180_000 },
  async ({ onTestFinished }) => {
    const dataDirectory = join(await tempDir('hour'), 'data');
    const port = await freePort();
    const start = () => startStarling({ dataDirectory, args: ['--port', String(port)] });
    let node: StarlingProcess = await start();
    onTestFinished(async () => void (await node.stop()));
    const ask = (query: string, variables?: object, token?: string) => gql(node.url, query, variables, token);
    const texts = async (token: string, variables: object = {}) =>
      (await ask(home, variables, token)).homeTimeline.edges.map((edge: Edge) => edge.node.text) as string[];
    const post = async (text: string, token: string) =>
      (await ask(createPost, { text }, token)).createPost as { post: { id: string }; position: string };
    const follow = async (field: 'follow' | 'unfollow', handle: string, token: string) =>
      (
        await ask(
          `mutation ($handle: String!) { ${field}(input: { handle: $handle }) { position userErrors { code } } }`,
          { handle },
          token,
        )
      )[field].position as string;
    const watch = (token: string, variables: Record<string, unknown> = {}) =>
      subscribeLive<Edge>(node.webSocketUrl, 'homeTimeline', { query: pushed, variables }, token);
    const textsOf = (live: { entries: readonly Edge[] }) => live.entries.map((edge) => edge.node.text);

    // The query that is printed works as it stands.
    const [line] = await eventually(() => /^ *curl .*$/m.exec(node.output()), 'a first query is printed');
    const { stdout } = await promisify(execFile)('sh', ['-c', line]);
    expect(JSON.parse(stdout)).toEqual({ data: { publicTimeline: { edges: [] } } });
    for (const path of ['/', '/healthz', '/readyz', '/metrics']) expect((await fetch(node.url + path)).status, path).toBe(200);

    const ada = await register(node.url, 'ada', password);
    const bob = await register(node.url, 'Bob', password);
    expect(await ask('{ viewer { handle name postCount } }', {}, bob.token)).toEqual({
      viewer: { handle: 'bob', name: 'bob', postCount: 0 },
    });

    // A follow brings in the past, and pushes none of it.
    const first = await post('hello, world', bob.token);
    expect(await texts(ada.token)).toEqual([]);
    const live = watch(ada.token);
    await live.connected;
    const followed = await follow('follow', 'bob', ada.token);
    expect(await texts(ada.token, { atLeast: followed })).toEqual(['hello, world']);
    const second = await post('a push, please 🎉', bob.token);
    await post('to myself', ada.token);
    await eventually(() => live.entries.length >= 2, 'both posts are pushed');
    expect(textsOf(live)).toEqual(['a push, please 🎉', 'to myself']);
    expect(await texts(ada.token)).toEqual(['to myself', 'a push, please 🎉', 'hello, world']);

    // A deletion and an unfollow take out what they should.
    const deleted = await ask(
      'mutation ($id: ID!) { deletePost(input: { id: $id }) { deletedId position } }',
      { id: second.post.id },
      bob.token,
    );
    expect(await texts(ada.token, { atLeast: deleted.deletePost.position })).toEqual(['to myself', 'hello, world']);
    expect((await gqlAnswer(node.url, '{ post(id: "' + second.post.id + '") { id } }')).data).toEqual({ post: null });
    const unfollowed = await follow('unfollow', 'bob', ada.token);
    expect(await texts(ada.token, { atLeast: unfollowed })).toEqual(['to myself']);
    await post('nobody listens', bob.token);
    await follow('follow', 'bob', ada.token);
    await post('she is back', bob.token);
    await eventually(() => live.entries.length >= 3, 'the post after following again is pushed');
    expect(textsOf(live)).toEqual(['a push, please 🎉', 'to myself', 'she is back']);

    // A log-out is refused within a second, on the open socket too; other sessions go on.
    const { login } = await ask('mutation ($input: LoginInput!) { login(input: $input) { token userErrors { code } } }', {
      input: { handle: 'ADA', password },
    });
    const other = watch(login.token);
    await other.connected;
    await ask('mutation { logout { userErrors { code } } }', {}, login.token);
    await eventually(() => other.closed, 'the socket of the ended session is closed', 1_000);
    expect(other.closed).toMatchObject({ code: 4403 });
    const refused = async () =>
      (await gqlAnswer(node.url, '{ viewer { id } }', {}, login.token)).errors[0]?.extensions?.code === 'UNAUTHENTICATED';
    await eventually(refused, 'the token is refused', 1_000);
    expect(live.closed).toBeUndefined();

    // Statistics count what happened, by type.
    await eventually(async () => (await ask('{ statistics { amount } }')).statistics.amount === 11, 'all eleven events are counted');
    const { statistics } = await ask('{ statistics { runs { edges { node { endedAt byType { type amount } } } } } }');
    const [{ node: run }] = statistics.runs.edges;
    const amounts = run.byType.map(({ type, amount }: { type: string; amount: number }) => [type, amount]);
    expect(run.endedAt).toBeNull();
    expect(Object.fromEntries(amounts)).toEqual({ UserRegistered: 2, PostCreated: 5, UserFollowed: 2, UserUnfollowed: 1, PostDeleted: 1 });

    // Across a restart: cursors go on where they stood, and so do subscriptions, by a cursor or by a position.
    const page = (await ask(home, { first: 2 }, ada.token)).homeTimeline;
    const newest = page.pageInfo.startCursor as string;
    const position = page.pageInfo.position as string;
    expect(await node.stop()).toBe(0);
    await eventually(() => live.closed, 'the socket is closed');
    expect(live.closed).toMatchObject({ code: 1001 });
    node = await start();
    expect(await texts(ada.token, { first: 10, after: page.pageInfo.endCursor })).toEqual(['to myself', 'hello, world']);
    const missed = await post('while nobody watched', bob.token);
    const resumed = [watch(ada.token, { after: newest }), watch(ada.token, { since: position })];
    await eventually(() => resumed.every(({ entries }) => entries.length >= 1), 'what was missed is pushed');
    await post('and live again', bob.token);
    await eventually(() => resumed.every(({ entries }) => entries.length >= 2), 'live entries follow');
    for (const each of resumed) expect(textsOf(each)).toEqual(['while nobody watched', 'and live again']);
    expect(await texts(ada.token, { last: 10, before: newest })).toEqual(['and live again', 'while nobody watched']);

    // With nothing but the log everything comes back, passwords too; only sessions end.
    const before = await texts(ada.token, { atLeast: missed.position });
    const cursor = (await ask(home, { first: 1 }, ada.token)).homeTimeline.pageInfo.endCursor as string;
    await node.stop();
    await rm(join(dataDirectory, 'postgres'), { recursive: true });
    node = await start();
    await eventually(async () => (await fetch(`${node.url}/readyz`)).status === 200, 'the read models are back');
    expect((await gqlAnswer(node.url, '{ viewer { id } }', {}, ada.token)).errors[0]?.extensions?.code).toBe('UNAUTHENTICATED');
    const again = await ask('mutation ($input: LoginInput!) { login(input: $input) { token userErrors { code } } }', {
      input: { handle: 'ada', password },
    });
    const wrong = await ask('mutation ($input: LoginInput!) { login(input: $input) { token userErrors { code } } }', {
      input: { handle: 'ada', password: 'wrong horse' },
    });
    expect(wrong.login).toEqual({ token: null, userErrors: [{ code: 'wrong-credentials' }] });
    expect(await texts(again.login.token)).toEqual(before);
    expect(await texts(again.login.token, { first: 10, after: cursor })).toEqual(before.slice(1));
    expect((await ask('{ user(handle: "bob") { id postCount followerCount } }')).user).toEqual({
      id: bob.userId,
      postCount: 5,
      followerCount: 1,
    });
    expect(first.post.id).toMatch(/^[0-9a-f-]{36}$/);
  },
);

/** One that was free a moment ago: clients come back to the same address after a restart. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

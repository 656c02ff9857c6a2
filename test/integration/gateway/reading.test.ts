import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newLogId } from '../../../src/events/ids.ts';
import { formatPosition, parsePosition } from '../../../src/events/position.ts';
import { systemRandom } from '../../../src/random.ts';
import { eventually } from '../../support/wait-for.ts';
import { startSystem } from './system.ts';
import type { System } from './system.ts';

interface Page {
  readonly edges: readonly { readonly cursor: string; readonly node: { readonly id: string; readonly text: string } }[];
  readonly pageInfo: {
    readonly hasNextPage: boolean;
    readonly hasPreviousPage: boolean;
    readonly startCursor: string;
    readonly endCursor: string;
    readonly position: string;
  };
}

let system: System;
let reader: { token: string; id: string; position: string };
const authors: { token: string; id: string }[] = [];
let latest: string;

const page = 'edges { cursor node { id text } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor position }';
const homeDocument = `query ($first: Int, $after: String, $last: Int, $before: String, $atLeast: Position) {
  homeTimeline(first: $first, after: $after, last: $last, before: $before, atLeast: $atLeast) { ${page} } }`;
const home = async (variables: object = {}): Promise<Page> => (await system.gql(homeDocument, variables, reader.token)).homeTimeline;
const texts = (shown: Page) => shown.edges.map(({ node }) => node.text);
const codes = (answer: Awaited<ReturnType<System['ask']>>) => answer.errors.map((error) => error.extensions?.code);

beforeAll(async () => {
  system = await startSystem();
  reader = await system.register('reader');
  for (const handle of ['ann', 'ben', 'cas']) authors.push(await system.register(handle));
  await system.follow(reader.token, 'ann');
  await system.follow(reader.token, 'ben');
  for (let number = 1; number <= 120; number++) {
    const author = authors[number % 3]!;
    latest = (await system.createPost(author.token, `post ${number}`)).position;
  }
  latest = (await system.createPost(reader.token, 'my own')).position;
});
afterAll(() => system?.stop());

describe('the home timeline', () => {
  const shown = [
    'my own',
    ...Array.from({ length: 120 }, (_, index) => 120 - index)
      .filter((number) => number % 3 !== 2)
      .map((number) => `post ${number}`),
  ];

  test('shows own posts and those of followed users, newest first', async () => {
    const first = await home({ atLeast: latest });
    expect(texts(first)).toEqual(shown.slice(0, 20));
    expect(first.pageInfo).toMatchObject({
      hasNextPage: true,
      hasPreviousPage: false,
      startCursor: first.edges[0]!.cursor,
      endCursor: first.edges[19]!.cursor,
    });
    expect(parsePosition(first.pageInfo.position)?.commit).toBeGreaterThanOrEqual(parsePosition(latest)!.commit);
  });

  test('is walked forwards and backwards without gap or repeat', async () => {
    const forwards: string[] = [];
    let after: string | null = null;
    for (let more = true; more;) {
      const next: Page = await home({ first: 30, after });
      forwards.push(...texts(next));
      ({ hasNextPage: more, endCursor: after } = next.pageInfo);
    }
    expect(forwards).toEqual(shown);

    const backwards: string[] = [];
    let before: string | null = null;
    for (let more = true; more;) {
      const next: Page = await home({ last: 17, before });
      backwards.unshift(...texts(next));
      ({ hasPreviousPage: more, startCursor: before } = next.pageInfo);
    }
    expect(backwards).toEqual(shown);
  });

  test('gives an empty page for 0, and tells that there is more', async () => {
    const empty = await home({ first: 0 });
    expect(empty).toEqual({
      edges: [],
      pageInfo: { hasNextPage: true, hasPreviousPage: false, startCursor: null, endCursor: null, position: expect.any(String) },
    });
  });

  test.each([
    [{ first: -1 }, '"first" is 0 to 100, not -1.'],
    [{ first: 101 }, '"first" is 0 to 100, not 101.'],
    [{ last: 101 }, '"last" is 0 to 100, not 101.'],
    [{ first: 1, last: 1 }, 'Ask for the first or for the last entries, not for both.'],
  ])('refuses %o', async (variables, message) => {
    const answer = await system.ask(homeDocument, variables, reader.token);
    expect(answer.errors).toMatchObject([{ message, path: ['homeTimeline'], extensions: { code: 'BAD_USER_INPUT' } }]);
  });

  test('takes null for what was left out', async () => {
    expect(texts(await home({ first: null, last: null, after: null, before: null, atLeast: null }))).toHaveLength(20);
  });

  test('refuses cursors of other connections, altered and cut ones', async () => {
    const { publicTimeline, user } = await system.gql(
      '{ publicTimeline(first: 1) { edges { cursor } } user(handle: "ann") { posts(first: 1) { edges { cursor } } } }',
    );
    const own = (await home({ first: 1 })).pageInfo.endCursor;
    const altered = own.slice(0, 30) + (own[30] === 'A' ? 'B' : 'A') + own.slice(31);
    for (const after of [publicTimeline.edges[0].cursor, user.posts.edges[0].cursor, altered, own.slice(0, -1), '', 'nonsense', latest]) {
      expect(codes(await system.ask(homeDocument, { after }, reader.token))).toEqual(['CURSOR_INVALID']);
      expect(codes(await system.ask(homeDocument, { before: after }, reader.token))).toEqual(['CURSOR_INVALID']);
    }
  });

  test('is for who is signed in', async () => {
    for (let time = 0; time < 5; time++) {
      expect(await system.ask('{ homeTimeline { edges { cursor } } viewer { id } }')).toMatchObject({
        status: 200,
        data: null,
        errors: [{ path: ['homeTimeline'], locations: [{ line: 1, column: 3 }], extensions: { code: 'UNAUTHENTICATED' } }],
      });
    }
  });
});

describe('atLeast', () => {
  const document = 'query ($atLeast: Position) { publicTimeline(atLeast: $atLeast) { pageInfo { position } } }';

  test("shows one's own write, every time", async () => {
    for (let round = 0; round < 10; round++) {
      const { createPost } = await system.gql(
        'mutation ($text: String!) { createPost(input: { text: $text }) { position } }',
        { text: `round ${round}` },
        reader.token,
      );
      expect(texts(await home({ first: 1, atLeast: createPost.position }))).toEqual([`round ${round}`]);
    }
  });

  test('holds also for what a field beside it has read before', async () => {
    const { token } = await system.register('waiter');
    const { position } = await system.createPost(token, 'first');
    const read = 'query ($atLeast: Position) { sooner: viewer { postCount } later: viewer(atLeast: $atLeast) { postCount } }';
    expect(
      (await system.gql('query ($atLeast: Position) { viewer(atLeast: $atLeast) { id } }', { atLeast: position }, token)).viewer,
    ).toBeTruthy();
    const last = parsePosition(position)!;
    system.takeStatements();
    const asked = system.gql(read, { atLeast: formatPosition({ ...last, commit: last.commit + 1 }) }, token);
    await eventually(() => system.takeStatements().includes('users-by-id'), 'the field that does not wait is read');
    await system.createPost(token, 'second');
    expect(await asked).toEqual({ sooner: { postCount: 1 }, later: { postCount: 2 } });
  });

  test('from the future is answered after a bounded wait', async () => {
    const position = parsePosition(latest)!;
    const begin = performance.now();
    const answer = await system.ask(document, { atLeast: formatPosition({ ...position, commit: position.commit + 1_000_000 }) });
    expect(answer).toMatchObject({
      status: 200,
      data: null,
      errors: [
        {
          message: 'The read models have not reached that position yet. Try again in a moment.',
          path: ['publicTimeline'],
          extensions: { code: 'NOT_CAUGHT_UP' },
        },
      ],
    });
    expect(performance.now() - begin).toBeGreaterThan(4_500);
  });

  test('of another log is refused, and nonsense too', async () => {
    const other = formatPosition({ ...parsePosition(latest)!, logId: newLogId(systemRandom) });
    expect(codes(await system.ask(document, { atLeast: other }))).toEqual(['CURSOR_INVALID']);
    for (const atLeast of ['', 'nonsense', latest.slice(0, -1), `${latest}A`, 7, {}]) {
      const answer = await system.ask(document, { atLeast });
      expect(answer.status).toBe(400);
      expect(codes(answer)).toEqual(['BAD_USER_INPUT']);
    }
    expect(codes(await system.ask('{ publicTimeline(atLeast: "nonsense") { pageInfo { position } } }'))).toEqual(['BAD_USER_INPUT']);
  });
});

describe('statements', () => {
  const document = `query ($first: Int!) { homeTimeline(first: $first) {
    edges { cursor node { id text createdAt author { id handle name bio createdAt postCount followerCount followingCount viewerFollows followsViewer } } }
    pageInfo { hasNextPage endCursor position } } }`;

  test('for a page of 100 with authors are one, and one for how the viewer stands to them', async () => {
    await system.gql('{ viewer { id } }', {}, reader.token);
    system.takeStatements();
    const { homeTimeline } = await system.gql(document, { first: 100 }, reader.token);
    expect(homeTimeline.edges.length).toBeGreaterThan(80);
    expect(homeTimeline.edges[0].node.author.handle).toBe('reader');
    expect(system.takeStatements()).toHaveLength(2);
  });

  test('for a page without relations are one; the session costs none', async () => {
    system.takeStatements();
    await system.gql('{ homeTimeline(first: 100) { edges { node { text author { handle } } } } }', {}, reader.token);
    expect(system.takeStatements()).toHaveLength(1);
  });

  test('for lists in a page are one for each list, however many users', async () => {
    const crowd = Array.from({ length: 40 }, (_, number) => `crowd${number}`);
    for (const handle of crowd) {
      const member = await system.register(handle);
      authors.push(member);
      await system.createPost(member.token, `${handle} 1`);
      await system.createPost(member.token, `${handle} 2`);
      await system.follow(member.token, 'ann');
      latest = (await system.createPost(member.token, `${handle} 3`)).position;
    }
    const lists = `posts(first: 2) { edges { cursor node { text } } pageInfo { hasNextPage position } }
      followers(first: 3) { edges { node { handle } followedAt } pageInfo { hasNextPage } } following(first: 3) { edges { node { handle } } }`;
    const nested = `query ($atLeast: Position) { publicTimeline(first: 100, atLeast: $atLeast) { edges { node { author { handle ${lists} } } } pageInfo { position } } }`;
    system.takeStatements();
    const { publicTimeline } = await system.gql(nested, { atLeast: latest });
    expect(system.takeStatements()).toEqual([
      'public-timeline first 101',
      expect.stringMatching(/^user-timelines/),
      expect.stringMatching(/^followers/),
      expect.stringMatching(/^following/),
    ]);
    expect(publicTimeline.edges).toHaveLength(100);
    const shownAuthors = new Map<
      string,
      Record<string, { edges: { node: { text: string; handle: string } }[]; pageInfo: { hasNextPage: boolean } }>
    >(publicTimeline.edges.map(({ node }: { node: { author: { handle: string } } }) => [node.author.handle, node.author]));
    for (const handle of crowd.slice(10)) {
      const author = shownAuthors.get(handle)!;
      expect(author['posts']!.edges.map(({ node }) => node.text)).toEqual([`${handle} 3`, `${handle} 2`]);
      expect(author['posts']!.pageInfo.hasNextPage).toBe(true);
      expect(author['following']!.edges.map(({ node }) => node.handle)).toEqual(['ann']);
      expect(author['followers']).toEqual({ edges: [], pageInfo: { hasNextPage: false } });
    }
    const { user } = await system.gql(
      `{ user(handle: "ann") { followers(first: 3) { edges { node { handle } } pageInfo { hasNextPage } } } }`,
    );
    expect(user.followers).toEqual({
      edges: ['crowd39', 'crowd38', 'crowd37'].map((handle) => ({ node: { handle } })),
      pageInfo: { hasNextPage: true },
    });
  });

  test('for the same list in different ranges are one each', async () => {
    system.takeStatements();
    const { user } = await system.gql(
      '{ user(handle: "ann") { a: posts(first: 1) { edges { node { text } } } b: posts(last: 1) { edges { node { text } } } c: posts(first: 1) { edges { node { text } } } } }',
    );
    expect([user.a, user.b]).not.toContainEqual(undefined);
    expect(user.a).toEqual(user.c);
    expect(user.b.edges).toEqual([{ node: { text: 'post 3' } }]);
    expect(system.takeStatements()).toHaveLength(3);
  });

  test('for lists of users and several users by handle do not grow with them', async () => {
    system.takeStatements();
    const aliases = ['ann', 'ben', 'cas', 'reader', 'nobody'].map(
      (handle) => `${handle}: user(handle: "${handle}") { handle viewerFollows followsViewer }`,
    );
    await system.gql(`{ ${aliases.join(' ')} }`, {}, reader.token);
    expect(system.takeStatements()).toHaveLength(2);
    const { viewer } = await system.gql(
      '{ viewer { following(first: 100) { edges { node { handle viewerFollows followsViewer } followedAt cursor } } } }',
      {},
      reader.token,
    );
    expect(viewer.following.edges.map((edge: { node: object }) => edge.node)).toEqual([
      { handle: 'ben', viewerFollows: true, followsViewer: false },
      { handle: 'ann', viewerFollows: true, followsViewer: false },
    ]);
    expect(system.takeStatements()).toHaveLength(3);
  });
});

describe('nodes', () => {
  test('are found by their ids, in whatever kind they are', async () => {
    const [edge] = (await home({ first: 1 })).edges;
    const { statistics } = await system.gql('{ statistics { runs(first: 1) { edges { node { id } } } } }');
    const run = statistics.runs.edges[0].node.id;
    const document =
      'query ($id: ID!) { node(id: $id) { __typename id ... on User { handle } ... on Post { text } ... on Run { amount } } }';
    expect((await system.gql(document, { id: reader.id })).node).toEqual({ __typename: 'User', id: reader.id, handle: 'reader' });
    expect((await system.gql(document, { id: edge!.node.id })).node).toEqual({
      __typename: 'Post',
      id: edge!.node.id,
      text: edge!.node.text,
    });
    expect((await system.gql(document, { id: run })).node).toMatchObject({ __typename: 'Run', id: run, amount: expect.any(Number) });
    const bare = 'query ($id: ID!) { node(id: $id) { id } }';
    for (const id of [reader.id, edge!.node.id, run]) expect((await system.gql(bare, { id })).node).toEqual({ id });
    for (const id of ['', 'nonsense', '1', reader.id.toUpperCase(), '01912d68-783e-7a03-8467-5661c1243ad4', `${reader.id}\0`]) {
      expect((await system.gql(bare, { id })).node).toBeNull();
    }
  });

  test('ask only the projections that can answer', async () => {
    const [edge] = (await home({ first: 1 })).edges;
    system.takeStatements();
    await system.gql('query ($id: ID!) { node(id: $id) { ... on Post { text } } }', { id: edge!.node.id });
    expect(system.takeStatements()).toHaveLength(1);
  });

  test('of users are found by handle in any case; look-alikes and nonsense find nobody', async () => {
    const document = 'query ($handle: String!) { user(handle: $handle) { handle } }';
    expect((await system.gql(document, { handle: 'READER' })).user).toEqual({ handle: 'reader' });
    for (const handle of ['\u212Aelvin', '', 'a'.repeat(31), 're ader', 'reader\0', '\ud800'])
      expect((await system.gql(document, { handle })).user).toBeNull();
  });
});

test('a viewer is null when nobody is signed in', async () => {
  expect(await system.gql('{ viewer { id } user(handle: "ann") { viewerFollows followsViewer } }')).toEqual({
    viewer: null,
    user: { viewerFollows: false, followsViewer: false },
  });
});

test('statistics count what happened, but not the bookkeeping of runs', async () => {
  const { position } = await system.createPost(reader.token, 'the last one');
  const { statistics } = await system.gql(
    `query ($atLeast: Position) { statistics(atLeast: $atLeast) { amount elapsedSeconds speed
       runs { edges { cursor node { label startedAt endedAt amount speed byType { type amount perSecond peakPerSecond } } } pageInfo { hasNextPage position } } } }`,
    { atLeast: position },
  );
  const [{ node: run }] = statistics.runs.edges;
  expect(run).toMatchObject({ label: 'test', endedAt: null, amount: statistics.amount });
  expect(run.byType.map(({ type }: { type: string }) => type).toSorted()).toEqual(['PostCreated', 'UserFollowed', 'UserRegistered']);
  const amounts = run.byType.map(({ amount }: { amount: number }) => amount);
  expect(amounts.reduce((sum: number, amount: number) => sum + amount, 0)).toBe(statistics.amount);
  expect(statistics.speed).toBeCloseTo(statistics.amount / statistics.elapsedSeconds, 6);
});

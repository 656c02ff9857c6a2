import { readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { describe, expect, onTestFinished, test } from 'vitest';
import { silentLogger } from '../../src/logger.ts';
import { openDatabase } from '../../src/projections/postgres-database.ts';
import { seededRandom } from '../../src/random.ts';
import { makeFreshData } from '../support/fresh-data.ts';
import { gql, gqlAnswer } from '../support/graphql-client.ts';
import { endOrphans, launchStarling, runStarling, startStarling } from '../support/starling-process.ts';
import { tempDir } from '../support/temp-dir.ts';
import { eventually } from '../support/wait-for.ts';

const login = 'mutation ($handle: String!) { login(input: { handle: $handle, password: "murmuration" }) { token userErrors { code } } }';
const whole = `{ user(handle: "u1") { followerCount postCount } statistics { runs(first: 1) { edges { node { byType { type amount } } } } amount } }`;

interface Sources {
  readonly folder: string;
  readonly dataDirectory: string;
  readonly follows: string;
  readonly posts: string;
}

/** A small network: everybody follows u1, and a few others; some posts stand in the file twice. */
async function makeSources(users: number, posts: number): Promise<Sources> {
  const folder = await tempDir('data');
  const random = seededRandom(7);
  const pairs = new Set<string>();
  for (let user = 2; user <= users; user++) {
    pairs.add(`${user}\t1`);
    const other = 2 + Math.floor(random.float() * (users - 1));
    if (other !== user) pairs.add(`${user}\t${other}`);
  }
  const follows = join(folder, 'follows.tsv.gz');
  await writeFile(follows, gzipSync(`follower\tfollowee\n${[...pairs].join('\n')}\n`));
  const path = join(folder, 'posts.txt');
  await writeFile(path, Array.from({ length: posts }, (_, index) => `post ${index % (posts - 10)} 🐦\n`).join(''));
  return { folder, dataDirectory: await makeFreshData(join(folder, 'data')), follows, posts: path };
}

const importArguments = ({ dataDirectory, follows, posts }: Sources) => [
  'import',
  '--data',
  dataDirectory,
  '--follows',
  follows,
  '--posts',
  posts,
];

async function start(dataDirectory: string) {
  const node = await startStarling({ dataDirectory });
  onTestFinished(async () => {
    await node.stop();
    await endOrphans(dataDirectory);
  });
  return node;
}

async function edges({ follows }: Sources): Promise<number> {
  return (
    gunzipSync(await readFile(follows))
      .toString()
      .trim()
      .split('\n').length - 1
  );
}

/** Events of each type in the log, over all runs. */
async function amounts(url: string): Promise<Record<string, number>> {
  const { statistics } = await gql(url, '{ statistics { runs(first: 100) { edges { node { byType { type amount } } } } } }');
  const sums: Record<string, number> = {};
  for (const { node } of statistics.runs.edges) for (const { type, amount } of node.byType) sums[type] = (sums[type] ?? 0) + amount;
  return sums;
}

describe('import', () => {
  test('loads files, and loaded again or while it runs it doubles nothing', async () => {
    const sources = await makeSources(60, 150);
    const follows = await edges(sources);
    const first = await runStarling([...importArguments(sources), '--password', 'murmuration']);
    expect(first).toMatchObject({ exitCode: 0, output: expect.stringContaining(`Imported 60 users, ${follows} follows and 150 posts`) });
    const node = await start(sources.dataDirectory);
    const again = await runStarling(importArguments(sources));
    expect(again).toMatchObject({ exitCode: 0, output: expect.stringContaining(`${60 + follows + 150} of them had been there before`) });
    expect(await amounts(node.url)).toEqual({ UserRegistered: 60, UserFollowed: follows, PostCreated: 150 });
    expect((await gql(node.url, whole)).user).toMatchObject({ followerCount: 59 });
    expect((await gql(node.url, login, { handle: 'u17' })).login).toEqual({ token: expect.any(String), userErrors: [] });
  });

  test('goes on where it was after it was interrupted, its client gone or the process killed', async () => {
    const sources = await makeSources(400, 1_500);
    const follows = await edges(sources);
    const node = await start(sources.dataDirectory);
    const killed = runStarling([...importArguments(sources), '--in-flight', '4']);
    // Killed in the middle of it, as soon as some commands are done.
    await eventually(async () => ((await amounts(node.url))['UserRegistered'] ?? 0) > 20, 'some users are there');
    await node.kill();
    expect(await killed).toMatchObject({ exitCode: 1, output: expect.stringContaining('went away before the job ended') });
    const finished = await runStarling(importArguments(sources));
    expect(finished).toMatchObject({ exitCode: 0, output: expect.stringContaining('had been there before') });
    const again = await start(sources.dataDirectory);
    expect(await amounts(again.url)).toEqual({ UserRegistered: 400, UserFollowed: follows, PostCreated: 1_500 });
  });

  test('is cancelled in the node when its client is interrupted', async () => {
    const sources = await makeSources(400, 1_500);
    const node = await start(sources.dataDirectory);
    const client = launchStarling([...importArguments(sources), '--in-flight', '1']);
    await eventually(async () => ((await amounts(node.url))['UserRegistered'] ?? 0) > 20, 'some users are there');
    client.child.kill('SIGINT');
    expect(await client.ended).toBe(130);
    expect(client.output()).toContain('cancelled');
    // The node takes the next one: the cancelled one has let go.
    const next = await eventually(
      async () => {
        const tried = await runStarling(importArguments(sources));
        return tried.output.includes('another import is running') ? undefined : tried;
      },
      'the node takes another import',
      60_000,
    );
    expect(next).toMatchObject({ exitCode: 0, output: expect.stringContaining('had been there before') });
  });

  test('names the line that is wrong, and imports nothing', async () => {
    const sources = await makeSources(60, 150);
    const node = await start(sources.dataDirectory);
    const cases: readonly (readonly [file: 'follows' | 'posts', content: string | Uint8Array, message: RegExp])[] = [
      ['follows', 'follower\tfollowee\n1\t2\n1\tx\n', /follows\.tsv\.gz:3: two numbers with a tab between are wanted, not "1\\tx"/],
      ['follows', (await readFile(sources.follows)).subarray(0, 200), /the gzip data ends too soon/],
      ['posts', `${'fine\n'.repeat(3)}${'x'.repeat(501)}\n`, /posts\.txt:4: too long for a post: at most 500 characters/],
      ['posts', 'fine\n\nfine\n', /posts\.txt:2: the line is empty/],
      ['posts', Buffer.from([0x61, 0x0a, 0xc3, 0x28, 0x0a]), /posts\.txt:2: not valid UTF-8/],
    ];
    const good = { follows: await readFile(sources.follows), posts: await readFile(sources.posts) };
    for (const [file, content, message] of cases) {
      await writeFile(sources[file], content);
      expect(await runStarling(importArguments(sources))).toMatchObject({ exitCode: 1, output: expect.stringMatching(message) });
      await writeFile(sources[file], good[file]);
    }
    expect(await amounts(node.url)).toEqual({});
  });
});

describe('backup and restore', () => {
  test('bring back users, posts and sessions, and refuse what is damaged or in the way', async () => {
    const sources = await makeSources(60, 150);
    await runStarling([...importArguments(sources), '--password', 'murmuration']);
    const node = await start(sources.dataDirectory);
    const { token } = (await gql(node.url, login, { handle: 'u2' })).login as { token: string };
    const before = await gql(node.url, whole);
    const file = join(sources.folder, 'backup.tar.gz');
    expect(await runStarling(['backup', file, '--data', sources.dataDirectory])).toMatchObject({
      exitCode: 0,
      output: expect.stringContaining('and 1 session to'),
    });
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await runStarling(['backup', file, '--data', sources.dataDirectory])).toMatchObject({
      exitCode: 1,
      output: expect.stringContaining('exists already'),
    });
    expect(await runStarling(['restore', file, '--data', sources.dataDirectory])).toMatchObject({
      exitCode: 1,
      output: expect.stringContaining('is in use by another process'),
    });
    const mistyped = join(sources.folder, 'dota');
    for (const command of [['backup', join(sources.folder, 'empty.tar.gz')], ['replay']])
      expect(await runStarling([...command, '--data', mistyped])).toMatchObject({
        exitCode: 1,
        output: expect.stringContaining(`there is no data directory of Starling at ${mistyped}`),
      });
    const { posts } = (await gql(node.url, '{ user(handle: "u1") { posts(first: 1) { edges { cursor } } } }')).user;
    const { position } = (await gql(node.url, 'mutation { createPost(input: { text: "too late" }) { position } }', {}, token)).createPost;
    await node.stop();
    expect(await runStarling(['restore', file, '--data', sources.dataDirectory])).toMatchObject({
      exitCode: 1,
      output: expect.stringContaining('is not empty, and a restore overwrites nothing'),
    });

    // As where the sessions are in a PostgreSQL that nobody names: a copy without them would look like a good one.
    const postgres = join(sources.dataDirectory, 'postgres');
    await rename(postgres, `${postgres}-elsewhere`);
    expect(await runStarling(['backup', file, '--force', '--data', sources.dataDirectory])).toMatchObject({
      exitCode: 1,
      output: expect.stringContaining('say where it is with DATABASE_URL'),
    });
    await rename(`${postgres}-elsewhere`, postgres);

    const restored = join(sources.folder, 'restored');
    const bytes = await readFile(file);
    for (const [name, damaged] of [
      ['cut', bytes.subarray(0, bytes.length - 3_000)],
      ['altered', Buffer.from(bytes).fill(0x41, bytes.length - 2_000, bytes.length - 1_900)],
      ['no-backup', Buffer.from('hello')],
    ] as const) {
      await writeFile(join(sources.folder, name), damaged);
      expect(await runStarling(['restore', join(sources.folder, name), '--data', restored])).toMatchObject({
        exitCode: 1,
        output: expect.stringContaining('the backup is damaged'),
      });
    }
    expect(await runStarling(['restore', file, '--data', restored])).toMatchObject({
      exitCode: 0,
      output: expect.stringContaining('Restored'),
    });

    const again = await start(restored);
    await eventually(async () => (await fetch(`${again.url}/readyz`)).status === 200, 'the read models are rebuilt');
    expect(
      await eventually(
        async () => ((await gql(again.url, whole)).statistics.amount === before.statistics.amount ? gql(again.url, whole) : undefined),
        'all events are projected',
      ),
    ).toMatchObject({ user: before.user });
    expect((await gqlAnswer(again.url, '{ viewer { handle } }', {}, token)).data).toEqual({ viewer: { handle: 'u2' } });
    expect((await gql(again.url, login, { handle: 'u3' })).login.userErrors).toEqual([]);
    // What was handed out before might name what was lost.
    for (const [query, given] of [
      ['query ($given: Position!) { publicTimeline(first: 1, atLeast: $given) { edges { cursor } } }', position],
      ['query ($given: String!) { user(handle: "u1") { posts(first: 1, after: $given) { edges { cursor } } } }', posts.edges[0].cursor],
    ])
      expect((await gqlAnswer(again.url, query, { given })).errors).toMatchObject([{ extensions: { code: 'CURSOR_INVALID' } }]);
  });
});

describe('replay', () => {
  test('says that rows are equal, names the table that differs, swaps by force, rolls back', async () => {
    const sources = await makeSources(60, 150);
    await runStarling(importArguments(sources));
    const node = await start(sources.dataDirectory);
    const replay = (...args: string[]) => runStarling(['replay', ...args, '--data', sources.dataDirectory]);
    expect(await replay()).toMatchObject({
      exitCode: 0,
      output: expect.stringMatching(/network: the rows are equal, swapped[\s\S]*statistics: the rows are equal, swapped/),
    });

    const database = await openDatabase(
      { host: join(sources.dataDirectory, 'postgres', 'socket'), user: 'starling', database: 'postgres' },
      { logger: silentLogger },
    );
    await database.query({ text: `update network.users set name = 'somebody else' where handle = 'u1'` }).finally(() => database.close());
    const different = await replay('network');
    // The tables go to standard output and the rest to standard error: which of the two is read first is up to the system.
    expect(different).toMatchObject({
      exitCode: 1,
      output: expect.stringMatching(/network: ROWS DIFFER\n[\s\S]*DIFFERENT users: 60 rows live, 60 rebuilt/),
    });
    expect(different.output).toContain('Nothing was swapped');
    const name = async () => (await gql(node.url, '{ user(handle: "u1") { name } }')).user.name as string;
    expect(await name()).toBe('somebody else');
    expect(await replay('network', '--force')).toMatchObject({
      exitCode: 0,
      output: expect.stringContaining('network: ROWS DIFFER, swapped'),
    });
    expect(await name()).toBe('u1');
    expect(await replay('network', '--rollback')).toMatchObject({ exitCode: 0, output: expect.stringContaining('Rolled back: network.') });
    expect(await name()).toBe('somebody else');
    await node.stop();
    // Where nothing runs the command does it by itself.
    expect(await replay('network', '--force')).toMatchObject({ exitCode: 0, output: expect.stringContaining('swapped') });
  });
});

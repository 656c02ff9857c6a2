import { execFileSync } from 'node:child_process';
import { mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { limits } from '../../src/limits.ts';
import { parsePosition } from '../../src/events/position.ts';
import { freshData } from '../support/fresh-data.ts';
import { gql, gqlAnswer, register } from '../support/graphql-client.ts';
import { subscribeLive } from '../support/live-entries.ts';
import { isRunning, postgresPidOf } from '../support/postgres-of.ts';
import { endOrphans, runStarling, startStarling } from '../support/starling-process.ts';
import type { StarlingProcess } from '../support/starling-process.ts';
import { createStubbornClient } from '../support/stubborn-client.ts';
import type { StubbornClient } from '../support/stubborn-client.ts';
import { tempDir } from '../support/temp-dir.ts';
import { eventually } from '../support/wait-for.ts';
import { readWholeLog } from '../support/whole-log.ts';

interface Edge {
  readonly cursor: string;
  readonly node: { readonly id: string };
}

interface Page {
  readonly edges: readonly Edge[];
  readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null };
}

const followers = 'subscription ($since: Position) { homeTimeline(since: $since) { cursor node { id } } }';

async function startNode(dataDirectory: string): Promise<StarlingProcess> {
  const node = await startStarling({ dataDirectory });
  onTestFinished(async () => {
    await node.stop();
    await endOrphans(dataDirectory);
  });
  return node;
}

/** A reader who follows writers, and is pushed what they post. */
async function startWriters(node: StarlingProcess, count: number) {
  const reader = await register(node.url, 'reader');
  const writers = Array.from({ length: count }, (_, index) => createStubbornClient({ handle: `writer_${index}`, url: () => node.url }));
  for (const writer of writers) {
    await writer.command('register', { handle: writer.handle, password: 'correct horse battery' });
    const follow = 'mutation ($handle: String!) { follow(input: { handle: $handle }) { userErrors { code } } }';
    await gql(node.url, follow, { handle: writer.handle }, reader.token);
  }
  return { reader, writers };
}

async function writeUntil(over: () => boolean, writer: StubbornClient): Promise<void> {
  for (let number = 1; !over(); number += 1) await writer.command('createPost', { text: `${writer.handle} ${number}` });
}

const acknowledgedPosts = (writers: readonly StubbornClient[]) =>
  writers.flatMap((writer) => writer.acknowledged.flatMap(({ postId }) => postId ?? []));

/** Ids of all that stands in the home timeline. */
async function homeOf(url: string, token: string): Promise<string[]> {
  const query = '($after: String) { homeTimeline(first: 100, after: $after) { edges { node { id } } pageInfo { hasNextPage endCursor } } }';
  const ids: string[] = [];
  for (let after: string | null = null; ;) {
    const { homeTimeline }: { homeTimeline: Page } = await gql(url, `query ${query}`, { after }, token);
    ids.push(...homeTimeline.edges.map((edge: Edge) => edge.node.id));
    if (!homeTimeline.pageInfo.hasNextPage) return ids;
    after = homeTimeline.pageInfo.endCursor;
  }
}

test('PostgreSQL killed in mid-flight: clear errors, it comes back, and nothing is lost or doubled', { timeout: 120_000 }, async () => {
  const data = await freshData('pg');
  const node = await startNode(data);
  const { reader, writers } = await startWriters(node, 3);
  const live = subscribeLive<Edge>(node.webSocketUrl, 'homeTimeline', { query: followers }, reader.token);
  await live.connected;
  let over = false;
  const writing = writers.map((writer) => writeUntil(() => over, writer));
  const errors = new Set<string>();
  const read = async () => {
    const answer = await gqlAnswer(node.url, '{ homeTimeline(first: 5) { edges { node { author { handle } } } } }', {}, reader.token);
    for (const error of answer.errors) errors.add(`${error.extensions?.code}: ${error.message}`);
    return answer;
  };

  for (let death = 1; death <= 2; death += 1) {
    const before = acknowledgedPosts(writers).length;
    await eventually(() => acknowledgedPosts(writers).length >= before + 20, 'posts are acknowledged');
    const pid = (await postgresPidOf(data))!;
    process.kill(pid, 'SIGKILL');
    await eventually(async () => (await read()).errors.length > 0, 'somebody notices', 5_000, 1);
    await eventually(async () => (await postgresPidOf(data)) !== pid && (await read()).errors.length === 0, 'it is back', 30_000);
  }
  over = true;
  await Promise.all(writing);
  const said = new Set([...errors, ...writers.flatMap((writer) => [...writer.errors])]);
  for (const error of said) expect(error).toMatch(/^(?:OVERLOADED: The read models cannot be reached at the moment|NOT_CAUGHT_UP: )/);

  const expected = acknowledgedPosts(writers).toSorted();
  await eventually(async () => (await homeOf(node.url, reader.token)).length >= expected.length, 'the read model has caught up');
  expect((await homeOf(node.url, reader.token)).toSorted()).toEqual(expected);
  await eventually(() => live.entries.length >= expected.length, 'everything is pushed');
  expect(live.entries.map((edge) => edge.node.id).toSorted()).toEqual(expected);
  expect(live.failure).toBeUndefined();
  expect((await fetch(`${node.url}/readyz`)).status).toBe(200);
  const replayed = await runStarling(['replay', '--data', data]);
  expect(replayed.exitCode, replayed.output).toBe(0);
});

test(
  'PostgreSQL killed while nothing else happens: what it had not written is projected again, before anybody is told that it is there',
  { timeout: 60_000 },
  async () => {
    const data = await freshData('crash');
    const node = await startNode(data);
    const ada = createStubbornClient({ handle: 'ada', url: () => node.url });
    await ada.command('register', { handle: 'ada', password: 'correct horse battery' });
    for (let death = 1; death <= 2; death += 1) {
      const done = await ada.command('createPost', { text: `post ${death}` });
      if (typeof done === 'string') throw new Error(done);
      const pid = (await postgresPidOf(data))!;
      process.kill(pid, 'SIGKILL');
      await eventually(async () => (await postgresPidOf(data)) !== pid, 'it is started again', 30_000);
      const query = 'query ($atLeast: Position) { user(handle: "ada", atLeast: $atLeast) { postCount } }';
      const answer = await eventually(
        async () => {
          const { data: shown, errors } = await gqlAnswer(node.url, query, { atLeast: done.position });
          return errors.length === 0 && shown;
        },
        'an answer without an error',
        30_000,
        1,
      );
      expect(answer).toEqual({ user: { postCount: death } });
    }
  },
);

test('SIGTERM under load: what was acknowledged is in the log, and PostgreSQL stops with it', { timeout: 60_000 }, async () => {
  const data = await freshData('term');
  const node = await startNode(data);
  const postgres = (await postgresPidOf(data))!;
  const { token } = await register(node.url, 'ada');
  const acknowledged: string[] = [];
  const refusals = new Set<string>();
  const query = 'mutation ($text: String!) { createPost(input: { text: $text }) { post { id } position userErrors { code } } }';
  const writing = Array.from({ length: 16 }, async (_, writer) => {
    for (let number = 0; ; number += 1) {
      const answer = await gqlAnswer(node.url, query, { text: `${writer}/${number}` }, token).catch((cause: Error) => cause);
      // The connection is refused or closed: it stops.
      if (answer instanceof Error) return;
      if (answer.data?.createPost?.post) acknowledged.push(answer.data.createPost.post.id);
      for (const { extensions } of answer.errors) refusals.add(extensions?.code ?? 'none');
    }
  });
  await eventually(() => acknowledged.length >= 100, 'the load runs');
  expect(await node.stop('SIGTERM')).toBe(0);
  await Promise.all(writing);
  expect([...refusals].filter((code) => code !== 'OVERLOADED' && code !== 'NOT_CAUGHT_UP')).toEqual([]);
  expect(await isRunning(postgres)).toBe(false);
  expect(await postgresPidOf(data)).toBeUndefined();

  const log = await readWholeLog(data);
  const inLog = log.events('PostCreated').map(({ postId }) => postId as string);
  expect(new Set(inLog).size).toBe(inLog.length);
  expect(acknowledged.filter((id) => !inLog.includes(id))).toEqual([]);
  expect(log.commits.at(-1)!.events).toMatchObject([{ type: 'RunEnded' }]);
});

test(
  'a thousand subscribers that come back after a restart are pushed what they missed, and the log is not read for them',
  { timeout: 120_000 },
  async () => {
    const data = await freshData('back');
    const first = await startNode(data);
    const { token } = await register(first.url, 'ada');
    const post = async (url: string, text: string) =>
      (await gql(url, 'mutation ($text: String!) { createPost(input: { text: $text }) { post { id } position } }', { text }, token))
        .createPost;
    const before = await Promise.all(Array.from({ length: 200 }, (_, number) => post(first.url, `before ${number}`)));
    const since = before.reduce(
      (latest, { position }) => (commitOf(position) > commitOf(latest) ? position : latest),
      before[0].position,
    ) as string;
    await first.stop();

    const node = await startNode(data);
    const missed = [await post(node.url, 'missed 1'), await post(node.url, 'missed 2')];
    const read = await commitsRead(node);
    const subscribers = Array.from({ length: 1_000 }, () =>
      subscribeLive<Edge>(node.webSocketUrl, 'homeTimeline', { query: followers, variables: { since } }, token),
    );
    await eventually(() => subscribers.every(({ entries }) => entries.length >= 2), 'all are pushed what they missed', 60_000, 50);
    const now = await post(node.url, 'now');
    await eventually(() => subscribers.every(({ entries }) => entries.length >= 3), 'all are pushed what is new', 30_000, 50);
    const expected = JSON.stringify([...missed, now].map((each) => each.post.id));
    const seen = new Set(subscribers.map(({ entries }) => JSON.stringify(entries.map((edge) => edge.node.id))));
    expect([...seen]).toEqual([expected]);
    expect(await commitsRead(node)).toBe(read);
  },
);

function commitOf(position: string): number {
  return parsePosition(position)!.commit;
}

async function commitsRead(node: StarlingProcess): Promise<number> {
  const metrics = await (await fetch(`${node.url}/metrics`)).text();
  return Number(/^starling_log_commits_read_total (\d+)$/m.exec(metrics)![1]);
}

test.skipIf(!canMount())(
  'a full disk: a clear error, nothing acknowledged is lost, and it goes on when there is room (needs to mount a tmpfs)',
  { timeout: 120_000 },
  async () => {
    const disk = await mountDisk('size=160m');
    const data = join(disk, 'data');
    const node = await startNode(data);
    const { token } = await register(node.url, 'ada');
    const acknowledged: string[] = [];
    // As many bytes as a post may have: each letter carries marks.
    const heavy = (number: number) => `${number} ${'e\u0301\u0302\u0303\u0304\u0306'.repeat(480)}`;
    // Asks for no post: that would wait for the read model, which has a full disk as well.
    const query = 'mutation ($text: String!) { createPost(input: { text: $text }) { position userErrors { code } } }';
    let number = 0;
    const post = async () => {
      const answer = await gqlAnswer(node.url, query, { text: heavy((number += 1)) }, token);
      expect(answer.data?.createPost?.userErrors ?? []).toEqual([]);
      if (answer.data?.createPost?.position) acknowledged.push(heavy(number));
      return answer;
    };
    expect((await post()).errors).toEqual([]);

    const ballast = join(disk, 'ballast');
    await fill(ballast);
    // As many as the journal holds are still taken.
    let answer = await post();
    while (answer.data?.createPost?.position) answer = await post();
    expect(acknowledged.length).toBeGreaterThan(limits.journalAreaBytes / 10_000);
    expect(answer.errors).toMatchObject([
      {
        message: 'Nothing can be written at the moment, and nothing was. Try again.',
        path: ['createPost'],
        extensions: { code: 'OVERLOADED', retryAfterMs: 1_000 },
      },
    ]);
    expect((await fetch(`${node.url}/healthz`)).status).toBe(200);

    await rm(ballast);
    await eventually(async () => (await post()).errors.length === 0, 'posts are accepted again', 30_000);
    const posts = async (after: string | null) =>
      (
        await gql(
          node.url,
          'query ($after: String) { viewer { postCount posts(first: 100, after: $after) { edges { cursor node { text } } } } }',
          { after },
          token,
        )
      ).viewer as { postCount: number; posts: { edges: { cursor: string; node: { text: string } }[] } };
    await eventually(async () => (await posts(null)).postCount >= acknowledged.length, 'the read model has caught up', 30_000);
    const read: string[] = [];
    for (let page = (await posts(null)).posts.edges; page.length > 0; page = (await posts(page.at(-1)!.cursor)).posts.edges)
      read.push(...page.map(({ node: { text } }) => text));
    expect(read.toReversed()).toEqual(acknowledged);
    expect((await fetch(`${node.url}/readyz`)).status).toBe(200);
    const replayed = await runStarling(['replay', '--data', data]);
    expect(replayed.exitCode, replayed.output).toBe(0);
    expect(await node.stop()).toBe(0);
    expect((await readWholeLog(data)).events('PostCreated').map(({ text }) => text)).toEqual(acknowledged);
  },
);

test.skipIf(!canMount())('a data directory that cannot be written is named with the reason (needs to mount a tmpfs)', async () => {
  const disk = await mountDisk('size=1m,ro');
  const refused = await runStarling(['start', '--data', join(disk, 'data'), '--port', '0']);
  expect(refused.output).toContain(`the data directory ${disk}/data cannot be used: it stands on a file system that can only be read`);
  expect(refused.exitCode).toBe(1);
});

async function mountDisk(options: string): Promise<string> {
  const disk = join(await tempDir('disk'), 'disk');
  await mkdir(disk);
  execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'starling-test', disk]);
  onTestFinished(() => void execFileSync('umount', ['--lazy', disk]));
  return disk;
}

/** Writes until the file system takes no more. */
async function fill(path: string): Promise<void> {
  const file = await open(path, 'w');
  try {
    for (const bytes of [1_048_576, 4_096, 1]) {
      const block = Buffer.alloc(bytes, 1);
      const full = async () => {
        await file.write(block);
        return false;
      };
      for (let over = false; !over;)
        over = await full().catch((cause: NodeJS.ErrnoException) => cause.code === 'ENOSPC' || Promise.reject(cause));
    }
  } finally {
    await file.close();
  }
}

function canMount(): boolean {
  try {
    execFileSync('unshare', ['--mount', 'mount', '-t', 'tmpfs', 'tmpfs', '/tmp'], { stdio: 'ignore', timeout: 10_000 });
    return process.getuid?.() === 0;
  } catch {
    return false;
  }
}

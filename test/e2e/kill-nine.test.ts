import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parsePosition } from '../../src/events/position.ts';
import { seededRandom } from '../../src/random.ts';
import { readLines } from '../bench/input.ts';
import { testData } from '../support/data.ts';
import { gql } from '../support/graphql-client.ts';
import { endOrphans, launchStarling, runStarling, startStarling } from '../support/starling-process.ts';
import type { StarlingProcess } from '../support/starling-process.ts';
import { createStubbornClient } from '../support/stubborn-client.ts';
import type { StubbornClient } from '../support/stubborn-client.ts';
import { tempDir } from '../support/temp-dir.ts';
import { eventually } from '../support/wait-for.ts';
import { readWholeLog } from '../support/whole-log.ts';

// An import runs and clients act while the process is killed again and again, at moments drawn from the seed: STARLING_SEED=n repeats them.
const seed = Number(process.env['STARLING_SEED'] ?? Math.trunc(performance.timeOrigin % 1_000_000));
const followLines = 3_000;
const postLines = 2_000;
const killsOfRunningNodes = 5;
const clientCount = 3;

test(`everything acknowledged is there once after kill -9 (STARLING_SEED=${seed})`, { timeout: 240_000 }, async ({ onTestFinished }) => {
  const folder = await tempDir('kill');
  const data = join(folder, 'data');
  const random = seededRandom(seed);
  const input = await takeSlice(folder);
  const imported = () => ['import', '--data', data, '--follows', input.follows, '--posts', input.posts];

  // The first one dies while the import runs in a node of its own: perhaps PostgreSQL is not even made yet.
  const reached = ['event log open', 'node started', 'users: ', 'follows: '][Math.floor(random.float() * 4)]!;
  const first = launchStarling(imported());
  await Promise.race([eventually(() => first.output().includes(reached), `the import says "${reached}"`, 60_000, 5), first.ended]);
  first.child.kill('SIGKILL');
  expect(await first.ended, first.output()).toBe('SIGKILL');

  let running: Promise<StarlingProcess> = startStarling({ dataDirectory: data });
  let over = false;
  onTestFinished(async () => {
    over = true;
    await (await running.catch(() => undefined))?.kill();
    await endOrphans(data);
  });
  const url = async () => (await running).url;
  const clients = Array.from({ length: clientCount }, (_, index) => createStubbornClient({ handle: `client_${index}`, url }));
  const stories = clients.map((client, index) => live(client, seededRandom(seed + index + 1), input.handles, () => over));
  const failed = new Promise<never>((_, reject) => {
    for (const story of stories) story.catch(reject);
  });
  failed.catch(() => undefined);

  const sum = () => clients.reduce((total, { acknowledged }) => total + acknowledged.length, 0);
  for (let kill = 1; kill <= killsOfRunningNodes; kill += 1) {
    const node = await running;
    const before = sum();
    const importing = runStarling(imported(), { timeoutMs: 120_000 });
    // Each import first repeats what the ones before it did, so that it is never at its end when the node dies.
    const target = Math.floor((input.commands * (kill - random.float())) / (killsOfRunningNodes + 1));
    await Promise.race([
      eventually(async () => (await answered(node)) >= target, `${target} commands are answered`, 60_000, 5),
      importing.then(({ output }) => Promise.reject(new Error(`the import ended first: ${output}`))),
    ]);
    await Promise.race([eventually(() => sum() > before, 'a client got an answer', 30_000), failed]);
    await node.kill();
    // Some nodes die again before they are ready.
    const impatient = kill % 2 === 0 ? dieWhileStarting(data, 100 + random.float() * 900) : Promise.resolve();
    running = impatient.then(() => startStarling({ dataDirectory: data }));
    const cut = await importing;
    expect(cut.exitCode, cut.output).toBe(1);
  }
  await running;
  const last = await runStarling(imported(), { timeoutMs: 120_000 });
  expect(last.exitCode, last.output).toBe(0);
  over = true;
  const expected = await Promise.all(stories);
  for (const [index, client] of clients.entries()) expect(await shown(await url(), client)).toEqual(expected[index]);
  expect(await (await running).stop()).toBe(0);

  const log = await readWholeLog(data);
  const commands = log.byCommand();
  for (const client of clients) {
    for (const yes of client.acknowledged) {
      const commit = commands.get(yes.commandId);
      expect(parsePosition(yes.position), `${yes.field} ${yes.commandId}`).toEqual({ logId: log.id, commit: commit?.commit, index: 0 });
      if (yes.postId !== undefined) expect(commit!.events[0]).toMatchObject({ postId: yes.postId });
    }
  }
  // Nothing is there that nobody asked for, either.
  const acknowledged = new Set(clients.flatMap((client) => client.acknowledged.map(({ commandId }) => commandId)));
  expect([...commands.keys()].filter((id) => id.startsWith('test-') && !acknowledged.has(id))).toEqual([]);
  expect(log.events('RunStarted').length).toBeGreaterThanOrEqual(killsOfRunningNodes + 1);
  expect(log.events('RunEnded').length).toBe(log.events('RunStarted').length);

  const registered = log.events('UserRegistered').map(({ handle }) => handle);
  expect(registered.toSorted()).toEqual([...input.handles, ...clients.map(({ handle }) => handle)].toSorted());
  const ofImport = (commit: { metadata?: { commandId: string } }) => commit.metadata?.commandId.startsWith('import:') ?? false;
  const importedEvents = log.commits.filter(ofImport).flatMap(({ events }) => events);
  expect(importedEvents.filter(({ type }) => type === 'UserFollowed')).toHaveLength(followLines);
  const texts = importedEvents.flatMap((event) => (event.type === 'PostCreated' ? [event.text] : []));
  expect(texts.toSorted()).toEqual(input.texts.toSorted());

  const replayed = await runStarling(['replay', '--data', data]);
  expect(replayed.output).toMatch(/network: the rows are equal[\s\S]*statistics: the rows are equal/);
  expect(replayed.exitCode, replayed.output).toBe(0);
  const repeated = clients.flatMap((client) => client.acknowledged.filter((yes) => yes.tries > 1)).length;
  console.log(
    `STARLING_SEED=${seed}: ${acknowledged.size} acknowledged, ${repeated} of them after repeating, and ${input.commands} imported`,
  );
});

/** The first lines of both files, and what must come of them. */
async function takeSlice(folder: string) {
  const files = await testData(folder);
  const follows = (await readLines(files.follows)).slice(0, followLines + 1);
  const texts = (await readLines(files.posts)).slice(0, postLines);
  const paths = { follows: join(folder, 'follows.tsv'), posts: join(folder, 'posts.txt') };
  await writeFile(paths.follows, `${follows.join('\n')}\n`);
  await writeFile(paths.posts, `${texts.join('\n')}\n`);
  const handles = [...new Set(follows.slice(1).flatMap((line) => line.split('\t')))].map((number) => `u${number}`);
  return { ...paths, texts, handles, commands: handles.length + follows.length - 1 + texts.length };
}

async function answered(node: StarlingProcess): Promise<number> {
  const metrics = await (await fetch(`${node.url}/metrics`)).text();
  return [...metrics.matchAll(/^starling_commands_total\{.*outcome="accepted".*\} (\d+)$/gm)].reduce(
    (sum, [, count]) => sum + Number(count),
    0,
  );
}

async function dieWhileStarting(dataDirectory: string, afterMs: number): Promise<void> {
  // It may be faster than that: then it is killed when it is ready.
  const born = await startStarling({ dataDirectory, readyTimeoutMs: afterMs }).catch(() => undefined);
  await born?.kill();
}

interface Shown {
  readonly posts: readonly string[];
  readonly following: number;
}

/** A user who posts, deletes, follows and unfollows, and what others must see of it. */
async function live(client: StubbornClient, random: { float(): number }, handles: readonly string[], over: () => boolean): Promise<Shown> {
  const posts: string[] = [];
  const following = new Set<string>();
  const someone = () => handles[Math.floor(random.float() * handles.length)]!;
  await client.command('register', { handle: client.handle, password: 'correct horse battery' });
  for (let act = 1; !over(); act += 1) {
    const drawn = random.float();
    if (drawn < 0.6) {
      const done = await client.command('createPost', { text: `${client.handle} says ${act}` });
      if (typeof done === 'string') throw new Error(`createPost: ${done}`);
      posts.push(done.postId!);
    } else if (drawn < 0.7 && posts.length > 0) {
      await client.command('deletePost', { id: posts.splice(Math.floor(random.float() * posts.length), 1)[0]! });
    } else if (drawn < 0.85 || following.size === 0) {
      const handle = someone();
      // Perhaps the import has not brought this one back yet.
      if ((await client.command('follow', { handle })) !== 'user-not-found') following.add(handle);
    } else {
      const handle = [...following][Math.floor(random.float() * following.size)]!;
      await client.command('unfollow', { handle });
      following.delete(handle);
    }
  }
  return { posts: posts.toReversed(), following: following.size };
}

async function shown(url: string, client: StubbornClient): Promise<Shown> {
  const query = `query ($handle: String!, $after: String, $atLeast: Position) {
    user(handle: $handle, atLeast: $atLeast) { postCount followingCount posts(first: 50, after: $after) { edges { node { id } } pageInfo { hasNextPage endCursor } } }
  }`;
  const atLeast = client.acknowledged.at(-1)!.position;
  const posts: string[] = [];
  for (let after: string | undefined; ;) {
    const { user } = await gql(url, query, { handle: client.handle, after, atLeast }, client.token());
    posts.push(...user.posts.edges.map((edge: { node: { id: string } }) => edge.node.id));
    if (!user.posts.pageInfo.hasNextPage) {
      expect(user.postCount).toBe(posts.length);
      return { posts, following: user.followingCount };
    }
    after = user.posts.pageInfo.endCursor;
  }
}

import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { gql, gqlAnswer, register } from '../support/graphql-client.ts';
import { startNatsServer } from '../support/nats-server.ts';
import { startTestPostgres } from '../support/postgres.ts';
import { launchStarling, runStarling, startStarling } from '../support/starling-process.ts';
import { tempDir } from '../support/temp-dir.ts';
import { eventually } from '../support/wait-for.ts';

const nextVersion = { NODE_OPTIONS: `--import ${fileURLToPath(new URL('../support/next-version.js', import.meta.url))}` };

async function startServers() {
  const nats = await startNatsServer({ jetStream: true });
  onTestFinished(() => nats.remove());
  const postgres = await startTestPostgres();
  onTestFinished(() => postgres.stop());
  const { target } = await postgres.createDatabase();
  const database = `postgresql:///${target.database}?user=${target.user}&host=${encodeURIComponent(target.host)}`;
  return { NATS_URL: nats.url, DATABASE_URL: database, STARLING_LOG: 'jetstream' };
}

async function startFront(env: Record<string, string>) {
  const front = await startStarling({ dataDirectory: await tempDir('front'), args: ['--roles', 'gateway,projections'], env });
  onTestFinished(() => front.kill());
  return front;
}

async function startActors(env: Record<string, string>) {
  const node = launchStarling(['actors'], env);
  onTestFinished(() => {
    node.child.kill('SIGKILL');
    return node.ended.then(() => undefined);
  });
  await eventually(() => node.output().includes('is ready'), 'the actor node is ready', 30_000);
  return async () => {
    node.child.kill('SIGTERM');
    expect(await node.ended, node.output()).toBe(0);
  };
}

const follow = 'mutation ($input: FollowInput!) { follow(input: $input) { position userErrors { code } } }';
const unfollow = 'mutation ($input: FollowInput!) { unfollow(input: $input) { position userErrors { code } } }';
const followersOfAda = 'query ($atLeast: Position) { user(handle: "ada", atLeast: $atLeast) { followerCount } }';
const post = 'mutation ($input: CreatePostInput!) { createPost(input: $input) { post { id } position userErrors { code } } }';

// Real processes: those of today's program, and those of the same program made into its next version.
test('nodes are replaced one by one by those of a newer version, and none meets what it cannot read', { timeout: 180_000 }, async () => {
  const env = await startServers();
  const oldFront = await startFront(env);
  const stopOldActors = await startActors(env);
  await register(oldFront.url, 'ada');
  const people = await Promise.all(
    Array.from({ length: 24 }, async (_, number) => ({ handle: `u${number}`, ...(await register(oldFront.url, `u${number}`)) })),
  );
  /** Everybody sends the command of that name; again it is the same one. */
  const all = (url: string, name: string, document: string, input: object) =>
    Promise.all(
      people.map(({ handle, token }) => gqlAnswer(url, document, { input: { ...input, commandId: `${name} ${handle}` } }, token)),
    );
  const hasErrors = ({ errors }: { errors: readonly object[] }) => errors.length > 0;
  expect((await all(oldFront.url, 'follow', follow, { handle: 'ada' })).filter(hasErrors)).toEqual([]);

  const stopYoungActors = await startActors({ ...env, ...nextVersion });
  const shares = async (url: string) => {
    const { cluster } = await gql(url, '{ cluster { nodes { roles shards } } }');
    return (cluster.nodes as { shards: number[] }[]).map(({ shards }) => shards.length).filter((count) => count > 0);
  };
  await eventually(async () => (await shares(oldFront.url)).length === 2, 'both serve users');

  // What the new version would write in a new shape waits for the upgrade's end where that version serves; everything else goes on.
  const meanwhile = await all(oldFront.url, 'unfollow', unfollow, { handle: 'ada' });
  const waiting = meanwhile.filter(hasErrors);
  expect(waiting.length).toBeGreaterThan(0);
  expect(waiting.length).toBeLessThan(people.length);
  expect(new Set(waiting.flatMap(({ errors }) => errors.map(({ extensions }) => extensions?.code)))).toEqual(new Set(['OVERLOADED']));
  expect((await all(oldFront.url, 'post', post, { text: 'during the upgrade' })).filter(hasErrors)).toEqual([]);

  // The gateway next, which speaks to actors of both versions; and the projections with it.
  const youngFront = await startFront({ ...env, ...nextVersion });
  expect(await oldFront.stop()).toBe(0);
  expect((await all(youngFront.url, 'second post', post, { text: 'through the new gateway' })).filter(hasErrors)).toEqual([]);
  await stopOldActors();
  await eventually(async () => (await shares(youngFront.url)).length === 1, 'the old node is gone');

  // The same commands again: those that waited are carried out, the others were.
  const carriedOut = await eventually(
    async () => {
      const answers = await all(youngFront.url, 'unfollow', unfollow, { handle: 'ada' });
      return answers.some(hasErrors) ? undefined : answers;
    },
    'all of them are carried out',
    60_000,
  );
  for (const { data } of carriedOut) await gql(youngFront.url, followersOfAda, { atLeast: data.unfollow.position });
  expect(await gql(youngFront.url, followersOfAda)).toEqual({ user: { followerCount: 0 } });
  const verified = await runStarling(['verify'], { env: { ...env, ...nextVersion } });
  expect(verified, verified.output).toMatchObject({ exitCode: 0 });
  // Only now stands in the log what the old version could not have read.
  const late = await runStarling(['verify'], { env });
  expect(late.output).toMatch(/\(UserUnfollowed\) has a schema version that this version of Starling does not know/);
  expect(late.exitCode).toBe(1);
  // Whoever is started with it by mistake does not take users from the others, nor a projection.
  for (const args of [['actors'], ['start', '--roles', 'gateway,projections', '--port', '0', '--data', await tempDir('late')]]) {
    const node = launchStarling(args, env);
    expect(await node.ended, node.output()).toBe(1);
    expect(node.output()).toContain('Start this node with the version that the others have');
  }
  expect(await shares(youngFront.url)).toEqual([256]);
  await stopYoungActors();
  expect(await youngFront.stop()).toBe(0);
});

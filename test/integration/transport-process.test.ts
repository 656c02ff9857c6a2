import { expect, it, onTestFinished } from 'vitest';
import { gql, gqlAnswer, register } from '../support/graphql-client.ts';
import { startNatsServer } from '../support/nats-server.ts';
import { endOrphans, runStarling, startStarling } from '../support/starling-process.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { eventually } from '../support/wait-for.ts';

const post = 'mutation($input: CreatePostInput!) { createPost(input: $input) { post { id text } userErrors { code } } }';

it('runs a whole system over NATS, which goes on when NATS was killed and is back', { timeout: 120_000 }, async () => {
  const directory = await makeTempDir('nats-run');
  onTestFinished(() => endOrphans(directory.path).then(() => directory.remove()));
  const nats = await startNatsServer({ user: 'starling', pass: 'secret' });
  onTestFinished(() => nats.remove());
  const address = nats.url.replace('nats://', 'nats://starling:secret@');
  const starling = await startStarling({ dataDirectory: directory.path, env: { NATS_URL: address } });
  onTestFinished(() => starling.kill());
  const { token } = await register(starling.url, 'ann');
  expect(await gql(starling.url, post, { input: { text: 'before' } }, token)).toMatchObject({ createPost: { post: { text: 'before' } } });

  await nats.kill();
  // Reading needs no transport; a command says that it was not carried out, or that nobody knows.
  await eventually(() => starling.output().includes('the connection to NATS is lost'), 'the node notices');
  expect(await gql(starling.url, '{ user(handle: "ann") { postCount } }')).toEqual({ user: { postCount: 1 } });
  const asked = gqlAnswer(starling.url, post, { input: { text: 'meanwhile', commandId: 'meanwhile' } }, token);
  await nats.restart();
  await asked;

  const repeated = await eventually(
    () => gql(starling.url, post, { input: { text: 'meanwhile', commandId: 'meanwhile' } }, token),
    'commands work again',
    30_000,
    100,
  );
  expect(repeated).toMatchObject({ createPost: { post: { text: 'meanwhile' }, userErrors: [] } });
  expect(await gql(starling.url, '{ viewer { postCount } }', {}, token)).toEqual({ viewer: { postCount: 2 } });
  expect(starling.output()).not.toContain('secret');
  expect(await starling.stop()).toBe(0);
});

it('does not start without the NATS it was told to use, and says why without the password', async () => {
  const directory = await makeTempDir('nats-run');
  onTestFinished(() => endOrphans(directory.path).then(() => directory.remove()));
  const { exitCode, output } = await runStarling(['start', '--data', directory.path, '--port', '0'], {
    env: { NATS_URL: 'nats://ann:secret@127.0.0.1:1' },
  });
  expect(exitCode).toBe(1);
  expect(output).toContain('NATS does not answer at nats://127.0.0.1:1 (connection refused): start nats-server there');
  expect(output).not.toContain('secret');
});

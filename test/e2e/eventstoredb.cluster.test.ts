import { onTestFinished, test, expect } from 'vitest';
import { startEsdbDouble } from '../support/esdb-protocol-double/server.ts';
import { gql, register } from '../support/graphql-client.ts';
import { endOrphans, runStarling, startStarling } from '../support/starling-process.ts';
import { tempDir } from '../support/temp-dir.ts';

test('a whole system keeps its log in EventStoreDB (a double of its protocol), and finds everything there when it starts again', async () => {
  const double = await startEsdbDouble();
  onTestFinished(() => double.close());
  const data = await tempDir('esdb');
  onTestFinished(() => endOrphans(data));
  const env = { STARLING_LOG: 'eventstoredb', EVENTSTOREDB_URL: double.url };
  const start = async () => {
    const node = await startStarling({ dataDirectory: data, env });
    onTestFinished(async () => void (await node.stop()));
    return node;
  };
  const first = await start();
  const { token } = await register(first.url, 'ada');
  await gql(first.url, 'mutation { createPost(input: { text: "Hello from elsewhere" }) { position } }', {}, token);
  const shown =
    'query ($atLeast: Position) { cluster { eventLog } homeTimeline(atLeast: $atLeast) { edges { node { text author { handle postCount } } } } }';
  const expected = {
    cluster: { eventLog: 'eventstoredb' },
    homeTimeline: { edges: [{ node: { text: 'Hello from elsewhere', author: { handle: 'ada', postCount: 1 } } }] },
  };
  const { createPost } = await gql(first.url, 'mutation { createPost(input: { text: "And more" }) { post { id } position } }', {}, token);
  const deleting = 'mutation ($id: ID!) { deletePost(input: { id: $id }) { position } }';
  const { deletePost } = await gql(first.url, deleting, { id: createPost.post.id }, token);
  const atLeast = deletePost.position as string;
  expect(await gql(first.url, shown, { atLeast }, token)).toEqual(expected);
  expect(await first.stop()).toBe(0);

  const second = await start();
  expect(await gql(second.url, shown, { atLeast }, token)).toEqual(expected);
  const verified = await runStarling(['verify', '--data', data], { env });
  expect(verified.exitCode, verified.output).toBe(0);
});

import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { silentLogger } from '../../src/logger.ts';
import { openDatabase } from '../../src/projections/postgres-database.ts';
import { freshData } from '../support/fresh-data.ts';
import { gql, gqlAnswer, register } from '../support/graphql-client.ts';
import { subscribeLive } from '../support/live-entries.ts';
import { postgresPidOf } from '../support/postgres-of.ts';
import { endOrphans, startStarling } from '../support/starling-process.ts';
import { eventually } from '../support/wait-for.ts';

// Everything that a client sends carries this mark, and nothing else does.
const mark = 'zq7zq';
const password = `${mark} password`;

test('logs hold nothing personal: no handle, name, text, password, token, command id or address, whatever goes wrong', async () => {
  const data = await freshData('logs');
  const node = await startStarling({ dataDirectory: data, args: ['--log-level', 'debug'] });
  onTestFinished(async () => {
    await node.stop();
    await endOrphans(data);
  });
  const { token } = await register(node.url, `${mark}_ann`, password);
  const ask = (query: string, own = token) => gqlAnswer(node.url, query, {}, own);
  const codes = async (query: string, own = token) => (await ask(query, own)).errors.map((error) => error.extensions?.code);
  const post = (text: string) =>
    `mutation { createPost(input: { text: "${mark} ${text}" }) { post { text } position userErrors { code } } }`;
  const logIn = `mutation { login(input: { handle: "${mark}_ann", password: "${mark} wrong" }) { token userErrors { code } } }`;

  const live = subscribeLive(node.webSocketUrl, 'homeTimeline', { query: 'subscription { homeTimeline { node { text } } }' }, token);
  await live.connected;
  await gql(node.url, `mutation { register(input: { handle: "${mark}_ben", password: "${password}", name: "${mark}" }) { token } }`);
  await gql(node.url, `mutation { follow(input: { handle: "${mark}_ben", commandId: "${mark}" }) { position } }`, {}, token);
  await gql(node.url, post('hello'), {}, token);
  await eventually(() => live.entries.length > 0, 'the post is pushed');

  // What is refused.
  for (let time = 0; time < 11; time += 1) await ask(logIn, undefined);
  expect(await codes(logIn)).toEqual(['RATE_LIMITED']);
  expect(await codes(`{ ${mark} }`)).toEqual(['BAD_USER_INPUT']);
  expect(await codes('{ viewer { id } }', `${token}${mark}`)).toEqual(['UNAUTHENTICATED']);
  const headers = { 'content-type': 'application/json', 'x-forwarded-for': mark };
  expect((await fetch(`${node.graphqlUrl}?${mark}`, { method: 'POST', headers, body: `{ "${mark}` })).status).toBe(400);
  expect((await fetch(`${node.url}/${mark}`)).status).toBe(404);

  // What nobody foresaw: PostgreSQL would tell the whole row that it does not take.
  const address = { host: join(data, 'postgres', 'socket'), user: 'starling', database: 'postgres' };
  const database = await openDatabase(address, { logger: silentLogger });
  await database.query({ text: `alter table network.posts add constraint refused check (text not like '${mark}%') not valid` });
  await database.query({ text: 'alter table network.users rename column bio to biography' });
  await database.close();
  expect(await codes(`{ user(handle: "${mark}_ann") { bio } }`)).toEqual(['INTERNAL']);
  expect((await ask(post('refused'))).data).toMatchObject({ createPost: { post: null, userErrors: [] } });
  const postgres = (await postgresPidOf(data))!;
  process.kill(postgres, 'SIGKILL');
  await eventually(() => node.output().includes('PostgreSQL started again'), 'PostgreSQL is back', 30_000);
  expect(await node.stop()).toBe(0);

  const output = node.output();
  expect(output).toContain('an operation failed for no foreseen reason');
  expect(output).toContain('the projection has stopped');
  const entries = output.split('\n').filter((line) => line.startsWith('{'));
  for (const entry of entries) expect(() => JSON.parse(entry) as unknown).not.toThrow();
  expect(output.split('\n').filter((line) => line.includes(mark))).toEqual([]);
  expect(entries.filter((entry) => /127\.0\.0\.1|argon2/.test(entry) || entry.includes(token))).toEqual([]);
});

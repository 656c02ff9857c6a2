import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CommandRecord, PushRecord } from '../../src/cli/verify/records.ts';
import { gql } from './graphql-client.ts';
import type { Load } from './load.ts';
import { eventually } from './wait-for.ts';

export interface ClientRecords {
  readonly acknowledged: string;
  readonly pushes: string;
}

/**
 * Writes down what the clients of a load, which has finished, were told and pushed, as files for `starling verify`. Each subscriber posts once more and
 * waits for that post: pushes come in order, so all before it have come by then.
 */
export async function writeClientRecords(load: Load, url: string, folder: string): Promise<ClientRecords> {
  const answers: CommandRecord[] = load.clients.flatMap(({ handle, acknowledged }) =>
    acknowledged.map(({ commandId, field, position }) => ({ handle, commandId, outcome: 'accepted', position, type: field })),
  );
  const subscribers = load.clients.filter(({ subscribedSince }) => subscribedSince !== undefined);
  const pushes = await Promise.all(
    subscribers.map(async ({ handle, subscribedSince, pushes: came }): Promise<PushRecord[]> => {
      const { postId, position } = await postLast(url, handle);
      await eventually(() => came.some((push) => push.postId === postId), `${handle} got its last post`, 60_000);
      return [
        { kind: 'subscribed', subscriber: handle, handle, timeline: 'home', since: subscribedSince! },
        ...came.map((push) => ({ kind: 'pushed' as const, subscriber: handle, postId: push.postId })),
        { kind: 'until', subscriber: handle, position },
      ];
    }),
  );
  const files = { acknowledged: join(folder, 'acknowledged.ndjson'), pushes: join(folder, 'pushes.ndjson') };
  await writeFile(files.acknowledged, toLines(answers));
  await writeFile(files.pushes, toLines(pushes.flat()));
  return files;
}

async function postLast(url: string, handle: string): Promise<{ postId: string; position: string }> {
  const password = 'correct horse battery';
  const { login } = await gql(url, 'mutation ($input: LoginInput!) { login(input: $input) { token } }', { input: { handle, password } });
  const mutation = 'mutation ($input: CreatePostInput!) { createPost(input: $input) { post { id } position } }';
  const { createPost } = await gql(url, mutation, { input: { text: 'the last of all' } }, login.token as string);
  return { postId: createPost.post.id as string, position: createPost.position as string };
}

function toLines(records: readonly object[]): string {
  return records.map((record) => `${JSON.stringify(record)}\n`).join('');
}

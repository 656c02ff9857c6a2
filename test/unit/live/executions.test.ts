import { isObjectType, parse } from 'graphql';
import { describe, expect, test } from 'vitest';
import type { Context } from '../../../src/gateway/context.ts';
import { dependsOnViewer, traitsOf } from '../../../src/gateway/live/document-traits.ts';
import { createExecutions } from '../../../src/gateway/live/executions.ts';
import { PostEntry } from '../../../src/gateway/live/pushed.ts';
import { createSchema } from '../../../src/gateway/schema.ts';
import { postRow, userIdNumber } from './world.ts';

const schema = createSchema();
const [ann, ben] = [userIdNumber(1), userIdNumber(2)];

function entry(): PostEntry {
  const position = { logId: '00000000-0000-4000-8000-000000000001' as never, commit: 1, index: 0 };
  const id = '00000000-0000-7000-8000-000000000001' as never;
  return new PostEntry(id, ben, position, postRow(id, ben, position));
}

/** Executions that count the contexts they make: one for each. */
function counting() {
  const made = { shared: 0, own: 0 };
  const contextOf = (viewerId: string | null) =>
    ({ viewerId, loaders: { relations: { load: async () => ({ follows: true, followedBy: false }) } } }) as unknown as Context;
  const executions = createExecutions({
    maskError: (error) => ({ message: (error as Error).message }),
    createAnonymousContext: () => {
      made.shared += 1;
      return contextOf(null);
    },
  });
  const join = (source: string, variables: Record<string, unknown> = {}, viewerId: typeof ann | null = ann) =>
    executions.join({
      args: { schema, document: parse(source), variableValues: variables },
      source,
      viewerId,
      createContext: () => {
        made.own += 1;
        return contextOf(viewerId);
      },
    });
  return { executions, made, join };
}

const prefix = Buffer.from('{"id":"1","type":"next","payload":');
const message = async (group: { payloadOf(item: PostEntry): unknown }, item = entry()) => {
  const payload = (await group.payloadOf(item)) as { frameFor(prefix: Buffer): Buffer };
  return JSON.parse(payload.frameFor(prefix).toString());
};
const plain = 'subscription ($after: String) { homeTimeline(after: $after) { node { text } } }';

describe('who shares an execution', () => {
  test('the same document, whoever looks and wherever they resume', async () => {
    const { executions, made, join } = counting();
    const groups = [join(plain), join(plain, {}, ben), join(plain, { after: 'a cursor' }), join(plain, {}, null)];
    const item = entry();
    const payloads = groups.map((group) => group.payloadOf(item));
    expect(new Set(payloads).size).toBe(1);
    expect([executions.size, made]).toEqual([1, { shared: 1, own: 0 }]);
    expect(await message(groups[0]!)).toEqual({
      id: '1',
      type: 'next',
      payload: { data: { homeTimeline: { node: { text: expect.any(String) } } } },
    });
    for (const group of groups) group.leave();
    groups[0]!.leave();
    expect(executions.size).toBe(0);
  });

  test('not another document, nor other variables where the message depends on them', () => {
    const { executions, join } = counting();
    const included = 'subscription ($yes: Boolean!) { homeTimeline { cursor @include(if: $yes) node { id } } }';
    join(plain);
    join(`${plain} `);
    join(included, { yes: true });
    join(included, { yes: true });
    join(included, { yes: false });
    expect(executions.size).toBe(4);
  });

  test('where a field depends on the viewer, only the same viewer; also behind fragments and aliases', async () => {
    const { executions, made, join } = counting();
    const personal =
      'subscription { homeTimeline { ...F } } fragment F on PostEdge { node { author { ... on User { mine: viewerFollows } } } }';
    const [one, same, other, nobody] = [join(personal), join(personal), join(personal, {}, ben), join(personal, {}, null)];
    expect(executions.size).toBe(3);
    const item = entry();
    expect(one.payloadOf(item)).toBe(same.payloadOf(item));
    expect(other.payloadOf(item)).not.toBe(one.payloadOf(item));
    expect(made).toEqual({ shared: 0, own: 2 });
    expect((await message(one)).payload.data.homeTimeline.node.author.mine).toBe(true);
    expect((await message(nobody)).payload.data.homeTimeline.node.author.mine).toBe(false);
  });
});

test('an id with quotes and other letters is part of the message as it is', async () => {
  const { join } = counting();
  const payload = await join(plain).payloadOf(entry());
  for (const id of ['"', 'ü\n', '1', '']) {
    expect(JSON.parse(payload.frameFor(Buffer.from(`{"id":${JSON.stringify(id)},"type":"next","payload":`)).toString()).id).toBe(id);
  }
});

test('frames of the same id are the same bytes, made once', async () => {
  const payload = await counting().join(plain).payloadOf(entry());
  expect(payload.frameFor(prefix)).toBe(payload.frameFor(Buffer.from(prefix)));
});

test('variables in arguments below the root field count', () => {
  expect(
    traitsOf(
      parse('subscription ($a: String, $n: Int) { homeTimeline(after: $a) { node { author { posts(first: $n) { edges { cursor } } } } } }'),
    ).variables,
  ).toEqual(['n']);
  expect(
    traitsOf(parse('subscription ($a: String) { ...F } fragment F on Subscription { homeTimeline(after: $a) { cursor } }')).variables,
  ).toEqual(['a']);
});

test('every field that depends on the viewer says so in its name', () => {
  const found = Object.values(schema.getTypeMap())
    .filter((type) => isObjectType(type) && !type.name.startsWith('__'))
    .flatMap((type) => (isObjectType(type) ? Object.keys(type.getFields()).map((field) => `${type.name}.${field}`) : []))
    .filter((coordinate) => dependsOnViewer(coordinate.split('.')[1]!));
  // Whoever adds a field that answers differently to different viewers, by whatever name, adds it here and to `dependsOnViewer`.
  expect(found.toSorted()).toEqual(['FollowPayload.viewer', 'Query.viewer', 'User.followsViewer', 'User.viewerFollows']);
});

import { afterEach, expect, test, vi } from 'vitest';
import { comparePositions } from '../../../src/events/position.ts';
import type { PostStream } from '../../../src/gateway/live/audiences.ts';
import { LiveStream } from '../../../src/gateway/live/live-stream.ts';
import { createRecentEvents } from '../../../src/gateway/live/recent-events.ts';
import { limits } from '../../../src/limits.ts';
import { eventually } from '../../support/wait-for.ts';
import { breathe, createWorld, userIdNumber } from './world.ts';
import type { World } from './world.ts';

const [ann, ben, cat] = [1, 2, 3].map(userIdNumber) as [
  ReturnType<typeof userIdNumber>,
  ReturnType<typeof userIdNumber>,
  ReturnType<typeof userIdNumber>,
];
let world: World;
afterEach(() => world?.feed.close());

function collect(stream: PostStream, onDeliver: () => void = () => undefined): { ids: string[]; error: Error | undefined } {
  const collected: { ids: string[]; error: Error | undefined } = { ids: [], error: undefined };
  stream.attach({
    deliver(entry) {
      collected.ids.push(entry.postId);
      onDeliver();
      return undefined;
    },
    room: () => undefined,
    ended: (error) => (collected.error = error),
  });
  return collected;
}

test('following pushes no past, and unfollowing ends it at once', async () => {
  world = createWorld();
  const pushed = collect(world.feed.homeTimeline(ann, undefined));
  await breathe();
  await world.post(ben);
  await breathe();
  await world.follow(ann, ben);
  const after = await world.post(ben);
  await breathe();
  await world.unfollow(ann, ben);
  await world.post(ben);
  await breathe();
  expect(pushed.ids).toEqual([after]);
});

test('"from now" means from the moment of subscribing, however long the hand-over takes', async () => {
  world = createWorld({ manual: true });
  await world.post(ann);
  world.advance();
  const pushed = collect(world.feed.userTimeline(ann, undefined));
  await breathe();
  const since = await world.post(ann);
  world.advance();
  await breathe();
  world.answerOne();
  world.deliverOne();
  await breathe();
  expect(pushed.ids).toEqual([since]);
});

test('a read model that falls back behind the cursor and stays there is NOT_CAUGHT_UP, and asked no more', async () => {
  world = createWorld({ manual: true });
  await world.post(ann);
  world.advance();
  await breathe();
  const pushed = collect(world.feed.userTimeline(ann, await world.tail()));
  await breathe();
  world.advance(-1);
  vi.spyOn(world.caughtUp, 'waitFor').mockResolvedValue(false);
  world.answerOne();
  world.deliverOne();
  await breathe();
  expect(pushed.error).toMatchObject({ extensions: { code: 'NOT_CAUGHT_UP' } });
  expect(world.counts.snapshots).toBe(1);
});

test('posts that nobody looks at are not read, and a batch is read in one statement', async () => {
  world = createWorld({ manual: true });
  await breathe();
  collect(world.feed.userTimeline(ann, undefined));
  await breathe();
  world.answerOne();
  world.deliverOne();
  await breathe();
  // The feed waits for the read model to pass the first of them; the others are one batch by then.
  for (let post = 0; post < 10; post += 1) await world.post(ann);
  for (let post = 0; post < 10; post += 1) await world.post(ben);
  await breathe();
  world.advance(100);
  for (let turn = 0; turn < 20; turn += 1) {
    world.answerOne();
    world.deliverOne();
    await breathe();
  }
  expect(world.counts.postsAsOf).toBeLessThanOrEqual(2);
  expect(comparePositions(world.feed.position(), await world.tail())).toBe(0);
});

test('a post that a crash of the database has taken back is not taken for one that is gone', async () => {
  world = createWorld({ manual: true });
  await breathe();
  const pushed = collect(world.feed.userTimeline(ann, undefined));
  await breathe();
  while (!world.idle()) {
    world.answerOne();
    world.deliverOne();
    await breathe();
  }
  const post = await world.post(ann);
  world.advance();
  await breathe();
  // The feed has heard that the read model is there; by the time it reads, the post is not there any more.
  world.advance(-1);
  world.answerOne();
  world.deliverOne();
  await breathe();
  expect(pushed.ids).toEqual([]);
  world.advance();
  for (let turn = 0; turn < 10; turn += 1) {
    world.wakeOne();
    await breathe();
    world.answerOne();
    world.deliverOne();
    await breathe();
  }
  expect(pushed.ids).toEqual([post]);
});

test('who joins while a post is being delivered gets it once', async () => {
  world = createWorld({ manual: true });
  await breathe();
  const others = Array.from({ length: 130 }, () => collect(world.feed.userTimeline(ann, undefined)));
  await breathe();
  while (!world.idle()) {
    world.answerOne();
    world.deliverOne();
    await breathe();
  }
  const late = collect(world.feed.userTimeline(ann, undefined));
  await breathe();
  // The snapshot of the late one is taken before the post, and on its way until the feed pauses in the middle of delivering it.
  world.answerOne();
  const post = await world.post(ann);
  world.advance();
  await breathe();
  const first = others[0]!;
  const stopWatching = world.whenPaused(
    () => first.ids.length === 1 && others.at(-1)!.ids.length === 0,
    () => world.deliverOne('oldest'),
  );
  world.answerOne();
  world.deliverOne('newest');
  await breathe(10);
  expect(stopWatching(), 'it was delivered in the pause').toBe(true);
  expect(late.ids).toEqual([post]);
  for (const { ids } of others) expect(ids).toEqual([post]);
});

test('a thousand subscribers at once read the log not at all and the database a few at a time', async () => {
  world = createWorld();
  await world.post(ann);
  const since = await world.tail();
  for (let post = 0; post < 3; post += 1) await world.post(ann);
  await breathe();
  const before = { ...world.counts };
  const all = Array.from({ length: 1_000 }, () => collect(world.feed.userTimeline(ann, since)));
  await breathe(50);
  expect(all.every(({ ids }) => ids.length === 3)).toBe(true);
  expect(world.counts).toMatchObject({ reads: 0, subscribes: before.subscribes, tails: before.tails, snapshots: 1_000 });
  expect(world.counts.snapshotsAtOnceMax).toBeLessThanOrEqual(limits.handOversMax);
});

test('clients that resume at the same state share the entries', async () => {
  world = createWorld();
  await world.post(ann);
  const entries = new Set<unknown>();
  for (let client = 0; client < 10; client += 1) {
    const stream = world.feed.userTimeline(ann, { ...(await world.tail()), commit: 0 });
    stream.attach({ deliver: (entry) => void entries.add(entry), room: () => undefined, ended: () => undefined });
  }
  await breathe(10);
  expect(entries.size).toBe(1);
});

test('more than can be kept is CONSUMER_TOO_SLOW, and what waited is let go', async () => {
  world = createWorld();
  const stream = world.feed.homeTimeline(ann, undefined);
  let error: Error | undefined;
  stream.attach({ deliver: () => undefined, room: () => new Promise(() => undefined), ended: (cause) => (error = cause) });
  await breathe();
  for (let post = 0; post <= limits.subscriberBufferEntriesMax; post += 1) await world.post(ann);
  await breathe(20);
  expect(error).toBeUndefined();
  expect([...stream.waiting()]).toHaveLength(limits.subscriberBufferEntriesMax);
  await world.post(ann);
  await breathe(20);
  expect(error).toMatchObject({ extensions: { code: 'CONSUMER_TOO_SLOW' } });
  expect([...stream.waiting()]).toEqual([]);
});

test('who asks for fields that take us time gets a whole burst, and the line is bounded all the same', async () => {
  const item = { loaded: true, gone: false };
  let error: Error | undefined;
  let delivered = 0;
  let read = () => {};
  const stream = new LiveStream({ onEnd: () => undefined });
  const deliver = () => new Promise<void>((resolve) => (read = resolve)).then(() => void (delivered += 1));
  stream.attach({ deliver, room: () => undefined, ended: (cause) => (error = cause) });
  for (let push = 0; push < 3 * limits.subscriberBufferEntriesMax; push += 1) stream.push(item);
  const readOne = () => {
    read();
    return delivered === 3 * limits.subscriberBufferEntriesMax;
  };
  await eventually(readOne, 'all are delivered', 10_000, 0);
  expect(error).toBeUndefined();
  for (let push = 0; push <= limits.subscriberExecutionsWaitingMax; push += 1) stream.push(item);
  expect(error).toBeUndefined();
  stream.push(item);
  expect(error).toMatchObject({ extensions: { code: 'CONSUMER_TOO_SLOW' } });
});

test('a stream can be iterated, and ends with the feed', async () => {
  world = createWorld();
  await world.follow(ann, cat);
  const iterator = world.feed.homeTimeline(ann, undefined)[Symbol.asyncIterator]();
  await breathe();
  const posts = [await world.post(cat), await world.post(ann)];
  expect((await iterator.next()).value.postId).toBe(posts[0]);
  expect((await iterator.next()).value.postId).toBe(posts[1]);
  const last = iterator.next();
  await world.feed.close();
  expect(await last).toEqual({ value: undefined, done: true });
  expect(await iterator.next()).toEqual({ value: undefined, done: true });
});

test('a stream that fails while nobody pulls says so at the next pull, once', async () => {
  const stream = new LiveStream({ onEnd: () => undefined });
  const iterator = stream[Symbol.asyncIterator]();
  stream.fail(new Error('broken'));
  await expect(iterator.next()).rejects.toThrow('broken');
  expect(await iterator.next()).toEqual({ value: undefined, done: true });
});

test('what comes before anybody listens is there when somebody does', async () => {
  const stream = new LiveStream<{ loaded: boolean; gone: boolean }>({ onEnd: () => undefined });
  const items = Array.from({ length: 3 }, () => ({ loaded: true, gone: false }));
  stream.begin(items.slice(0, 2));
  stream.push(items[2]!);
  await breathe();
  const delivered: object[] = [];
  stream.attach({ deliver: (item) => void delivered.push(item), room: () => undefined, ended: () => undefined });
  await breathe();
  expect(delivered).toEqual(items);
});

test('what was missed waits, as the rest does, until the receiver has room', async () => {
  const stream = new LiveStream({ onEnd: () => undefined });
  let delivered = 0;
  let makeRoom = () => {};
  const room = () => new Promise<void>((resolve) => (makeRoom = resolve));
  stream.attach({ deliver: () => void (delivered += 1), room, ended: () => undefined });
  stream.begin(Array.from({ length: 3 }, () => ({ loaded: true, gone: false })));
  for (const sofar of [1, 2, 3]) {
    await breathe();
    expect(delivered).toBe(sofar);
    makeRoom();
  }
});

test('a sink that throws ends its own stream and no other', async () => {
  world = createWorld();
  let error: Error | undefined;
  world.feed.userTimeline(ann, undefined).attach({
    deliver() {
      throw new Error('broken');
    },
    room: () => undefined,
    ended: (cause) => (error = cause),
  });
  const other = collect(world.feed.userTimeline(ann, undefined));
  await breathe();
  const post = await world.post(ann);
  await breathe();
  expect(error?.message).toBe('broken');
  expect(other.ids).toEqual([post]);
});

test('a hand-over that takes longer than the feed can be kept for begins again, and misses nothing', async () => {
  world = createWorld({ manual: true });
  const first = await world.post(ann);
  world.advance();
  await breathe();
  const pushed = collect(world.feed.homeTimeline(ann, { ...(await world.tail()), commit: 0 }));
  await breathe();
  world.answerOne();
  for (let change = 0; change <= limits.handOverEventsMax; change += 1) await world.unfollow(ann, ben);
  const last = await world.post(ann);
  world.advance(world.history.length);
  const end = await world.tail();
  await eventually(() => comparePositions(world.feed.position(), end) === 0, 'the feed has passed all of it');
  for (let turn = 0; turn < 2; turn += 1) {
    world.deliverOne();
    await breathe();
    world.answerOne();
  }
  expect(pushed.ids).toEqual([first, last]);
  expect(world.counts.snapshots).toBe(2);
});

test('what is kept for hand-overs is bounded: one that would need more begins again', () => {
  const position = { logId: 'log' as never, commit: 1, index: 0 };
  const event = { kind: 'deleted', position, postId: 'post' as never } as const;
  const recent = createRecentEvents({ eventsMax: 3 });
  recent.add([event]);
  const first = recent.hold();
  recent.add([event, event]);
  const second = recent.hold();
  recent.add([event]);
  expect([first.events(), second.events()].map((events) => events?.length)).toEqual([3, 1]);
  first.release();
  recent.add([event, event]);
  expect(second.events()).toHaveLength(3);
  recent.add([event]);
  expect(second.events()).toBeUndefined();
  second.release();
});

import { afterEach, expect, test } from 'vitest';
import type { PostId, UserId } from '../../../src/events/ids.ts';
import { comparePositions } from '../../../src/events/position.ts';
import type { Position } from '../../../src/events/position.ts';
import type { PostStream } from '../../../src/gateway/live/audiences.ts';
import type { PostEntry } from '../../../src/gateway/live/pushed.ts';
import { seededRandom } from '../../../src/random.ts';
import { breathe, createWorld, userIdNumber } from './world.ts';
import type { Happened, World } from './world.ts';

// The meaning of a push, checked over seeded interleavings of everything that can happen: an entry comes exactly once where the relation held from the
// cursor (or from the entry, if that is later) to its delivery, either way where it changed in between, and never where it did not hold.

interface Delivery {
  readonly entry: PostEntry;
  /** The end of the log, and the feed's position, when it was delivered. */
  readonly logLength: number;
  readonly feedAt: Position;
}

/** One client: its subscription may end and be resumed, and is then still the same one. */
interface Client {
  readonly timeline: { home: UserId } | { user: UserId };
  readonly start: Position;
  readonly deliveries: Delivery[];
  readonly slow: boolean;
  stream: PostStream;
  failed: Error | undefined;
}

const users = [1, 2, 3, 4].map(userIdNumber);
let world: World | undefined;
afterEach(() => world?.feed.close());

const seeds = process.env['STARLING_SEED'] ? [Number(process.env['STARLING_SEED'])] : Array.from({ length: 200 }, (_, index) => index + 1);

test('an entry is pushed exactly once, either way or never, as its relation says', { timeout: 60_000 }, async () => {
  let delivered = 0;
  for (const seed of seeds) delivered += await check(seed);
  // Were nothing delivered, everything above would hold for nothing.
  expect(delivered).toBeGreaterThan(seeds.length * 5);
});

async function check(seed: number): Promise<number> {
  const random = seededRandom(seed);
  const here = createWorld({ random, manual: true });
  world = here;
  const clients: Client[] = [];
  const toRelease: (() => void)[] = [];
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random.float() * list.length)] as T;
  const pair = (): [UserId, UserId] => {
    const follower = pick(users);
    return [follower, pick(users.filter((user) => user !== follower))];
  };
  const livePosts = () => {
    const posts = new Map<PostId, UserId>();
    for (const { userId, event } of here.history) {
      if (event.type === 'PostCreated') posts.set(event.postId, userId);
      if (event.type === 'PostDeleted') posts.delete(event.postId);
    }
    return [...posts];
  };

  const open = (client: Client, since: Position | undefined) => {
    client.failed = undefined;
    client.stream =
      'home' in client.timeline ? here.feed.homeTimeline(client.timeline.home, since) : here.feed.userTimeline(client.timeline.user, since);
    const { stream } = client;
    stream.attach({
      deliver(entry) {
        client.deliveries.push({ entry, logLength: here.history.length, feedAt: here.feed.position() });
        if (!client.slow || random.float() < 0.5) return undefined;
        return new Promise((resolve) => toRelease.push(resolve));
      },
      room: () => undefined,
      ended(error) {
        if (client.stream === stream) client.failed = error;
      },
    });
  };
  const resume = (client: Client) => {
    client.stream.end();
    open(client, client.deliveries.at(-1)?.entry.position ?? client.start);
  };

  const steps: (() => unknown)[] = [
    () => here.post(pick(users)),
    () => here.post(pick(users)),
    () => here.post(pick(users)),
    () => here.follow(...pair()),
    () => here.unfollow(...pair()),
    () => {
      const [post, author] = pick(livePosts()) ?? [];
      if (post && author) return here.remove(author, post);
    },
    async () => {
      const timeline = random.float() < 0.7 ? { home: pick(users) } : { user: pick(users) };
      const tail = await here.tail();
      const earlier = random.float() < 0.5 ? pick(here.history)?.position : undefined;
      const client = {
        timeline,
        start: earlier ?? tail,
        deliveries: [],
        slow: random.float() < 0.3,
        failed: undefined,
      } as unknown as Client;
      clients.push(client);
      open(client, earlier);
    },
    () => clients.length > 0 && resume(pick(clients)),
    () => here.advance(1 + Math.floor(random.float() * 4)),
    () => here.advance(1 + Math.floor(random.float() * 4)),
    () => here.answerOne(),
    () => here.answerOne(),
    () => here.deliverOne(),
    () => here.deliverOne(),
    () => random.float() < 0.3 && here.failOne(),
    () => random.float() < 0.2 && here.breakSubscription(),
    () => here.wakeOne(),
    () => toRelease.shift()?.(),
  ];

  await breathe();
  for (let step = 0; step < 120; step += 1) {
    await pick(steps)();
    await breathe(2);
  }
  // Whatever failed is resumed, as a client would; then all comes to rest.
  for (let round = 0; round < 500; round += 1) {
    here.advance(here.history.length);
    here.answerOne();
    here.deliverOne();
    here.wakeOne();
    while (toRelease.length > 0) toRelease.shift()?.();
    await breathe(2);
    for (const client of clients) if (client.failed) resume(client);
    if (here.idle() && toRelease.length === 0 && round > 20) break;
  }
  await breathe(8);
  for (const client of clients) judge(seed, client, here.history);
  await here.feed.close();
  return clients.reduce((sum, { deliveries }) => sum + deliveries.length, 0);
}

function judge(seed: number, client: Client, history: readonly Happened[]): void {
  const where = `seed ${seed}, ${JSON.stringify(client.timeline)} from ${client.start.commit}`;
  for (const [index, { entry }] of client.deliveries.entries()) {
    const before = index === 0 ? client.start : client.deliveries[index - 1]!.entry.position;
    expect(comparePositions(entry.position, before), `${where}: in log order, none twice, none from before the cursor`).toBeGreaterThan(0);
  }
  for (const [index, { position, userId, event }] of history.entries()) {
    if (event.type !== 'PostCreated' || comparePositions(position, client.start) <= 0) continue;
    const delivery = client.deliveries.find(({ entry }) => entry.postId === event.postId);
    const deletedAt = history.find((other) => other.event.type === 'PostDeleted' && other.event.postId === event.postId)?.position;
    const held = relationBetween(client, userId, history, index, delivery?.logLength ?? history.length);
    const what = `${where}: post at ${position.commit}`;
    if (held === 'always' && deletedAt === undefined) expect(delivery, `${what} is missing`).toBeDefined();
    if (held === 'never') expect(delivery, `${what} was none of its business`).toBeUndefined();
    if (delivery && deletedAt) expect(comparePositions(delivery.feedAt, deletedAt), `${what} had been deleted`).toBeLessThan(0);
  }
}

/** Did the client's timeline hold this author's posts from event `from` to the end of a log of `length` events? */
function relationBetween(
  client: Client,
  author: UserId,
  history: readonly Happened[],
  from: number,
  length: number,
): 'always' | 'never' | 'changed' {
  if ('user' in client.timeline) return client.timeline.user === author ? 'always' : 'never';
  const viewer = client.timeline.home;
  if (viewer === author) return 'always';
  const states = new Set<boolean>();
  let follows = false;
  for (const [index, { userId, event }] of history.slice(0, length).entries()) {
    if (userId === viewer && event.type === 'UserFollowed' && event.followeeId === author) follows = true;
    if (userId === viewer && event.type === 'UserUnfollowed' && event.followeeId === author) follows = false;
    if (index >= from) states.add(follows);
  }
  return states.size === 2 ? 'changed' : states.has(true) ? 'always' : 'never';
}

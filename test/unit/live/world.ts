import { setImmediate as nextTurn } from 'node:timers/promises';
import { systemClock } from '../../../src/clock.ts';
import type { Clock } from '../../../src/clock.ts';
import type { EventLog } from '../../../src/events/event-log.ts';
import type { DomainEvent } from '../../../src/events/event-types.ts';
import { userStreamOf } from '../../../src/events/ids.ts';
import type { Handle, PostId, UserId } from '../../../src/events/ids.ts';
import { createMemoryLog } from '../../../src/events/memory-log.ts';
import { comparePositions } from '../../../src/events/position.ts';
import type { Position } from '../../../src/events/position.ts';
import { createLiveFeed } from '../../../src/gateway/live/live-feed.ts';
import type { LiveFeed } from '../../../src/gateway/live/live-feed.ts';
import { silentLogger } from '../../../src/logger.ts';
import { createMetrics } from '../../../src/metrics.ts';
import type { CaughtUp } from '../../../src/projections/caught-up.ts';
import { DatabaseUnavailable } from '../../../src/projections/database.ts';
import type { HandOver, PostRow, ReadModel } from '../../../src/projections/read-model.ts';
import { createLocalTransport } from '../../../src/transport/local-transport.ts';
import { seededRandom } from '../../../src/random.ts';
import type { Random } from '../../../src/random.ts';

export interface Happened {
  readonly position: Position;
  readonly userId: UserId;
  readonly event: DomainEvent;
}

/** A request to the fake read model: answered from its state when the test says so, and delivered when the test says so. */
interface Pending {
  readonly answer: () => unknown;
  answered?: { readonly value: unknown };
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/**
 * A log, a read model behind it and a live feed, in which nothing moves by itself: a test decides when the read model advances, when it answers and
 * when waits are over. `manual: false` lets everything happen as soon as it can.
 */
export function createWorld(options: { random?: Random; manual?: boolean } = {}) {
  const random = options.random ?? seededRandom(1);
  const manual = options.manual ?? false;
  const log = createMemoryLog({ random });
  const history: Happened[] = [];
  const pending: Pending[] = [];
  const sleeping: (() => void)[] = [];
  const waiters = new Set<{ position: Position; resolve: (reached: boolean) => void }>();
  const counts = { subscribes: 0, reads: 0, tails: 0, snapshots: 0, postsAsOf: 0, snapshotsAtOnce: 0, snapshotsAtOnceMax: 0 };
  let applied = 0;
  let breakSubscription: (() => void) | undefined;
  let postNumber = 0;

  const positionOfReadModel = () => history[applied - 1]?.position ?? null;

  const settle = () => {
    const at = positionOfReadModel();
    for (const waiter of waiters) {
      if (at === null || comparePositions(at, waiter.position) < 0) continue;
      waiters.delete(waiter);
      waiter.resolve(true);
    }
  };

  /** The read model applies `count` more events. */
  const advance = (count = 1) => {
    applied = Math.min(history.length, applied + count);
    settle();
  };

  const append = async (userId: UserId, event: DomainEvent): Promise<Position> => {
    const stream = userStreamOf(userId);
    const head = await log.append(stream, await log.head(stream), { events: [event], time: history.length });
    history.push({ position: head.position, userId, event });
    if (!manual) advance(history.length);
    return head.position;
  };

  const ask = <T>(answer: () => T): Promise<T> => {
    if (!manual) return Promise.resolve().then(answer);
    return new Promise((resolve, reject) => {
      pending.push({ answer, resolve: resolve as (value: unknown) => void, reject });
    });
  };

  const seen = () => history.slice(0, applied);
  const postsNow = (): Map<PostId, PostRow> => {
    const posts = new Map<PostId, PostRow>();
    for (const { position, userId, event } of seen()) {
      if (event.type === 'PostCreated') posts.set(event.postId, postRow(event.postId, userId, position));
      if (event.type === 'PostDeleted') posts.delete(event.postId);
    }
    return posts;
  };
  const followeesNow = (viewer: UserId): UserId[] => {
    const followees = new Set<UserId>();
    for (const { userId, event } of seen()) {
      if (userId !== viewer) continue;
      if (event.type === 'UserFollowed') followees.add(event.followeeId);
      if (event.type === 'UserUnfollowed') followees.delete(event.followeeId);
    }
    return [...followees];
  };
  const snapshot = (
    authors: (all: UserId[]) => UserId[],
    followees: () => UserId[],
    after: Position | undefined,
    limit: number,
  ): HandOver => {
    const followed = followees();
    const wanted = new Set(authors(followed));
    const entries = [...postsNow().values()].filter(
      ({ author, position }) => wanted.has(author.id) && after !== undefined && comparePositions(position, after) > 0,
    );
    return { position: positionOfReadModel(), followees: followed, entries: entries.slice(0, limit + 1) };
  };
  const counted = async <T>(answer: () => T): Promise<T> => {
    counts.snapshots += 1;
    counts.snapshotsAtOnce += 1;
    counts.snapshotsAtOnceMax = Math.max(counts.snapshotsAtOnceMax, counts.snapshotsAtOnce);
    return ask(answer).finally(() => {
      counts.snapshotsAtOnce -= 1;
    });
  };

  const readModel = {
    postsAsOf: (ids: readonly PostId[]) => {
      counts.postsAsOf += 1;
      return ask(() => {
        const posts = postsNow();
        return { position: positionOfReadModel(), posts: ids.map((id) => posts.get(id) ?? null) };
      });
    },
    homeHandOver: (viewer: UserId, after: Position | undefined, limit: number) =>
      counted(() =>
        snapshot(
          (followees) => [...followees, viewer],
          () => followeesNow(viewer),
          after,
          limit,
        ),
      ),
    userHandOver: (author: UserId, after: Position | undefined, limit: number) =>
      counted(() =>
        snapshot(
          () => [author],
          () => [],
          after,
          limit,
        ),
      ),
  } as unknown as ReadModel;

  const caughtUp: CaughtUp = {
    waitFor: (_, position) =>
      new Promise((resolve) => {
        waiters.add({ position, resolve });
        settle();
      }),
    advanced: () => undefined,
    moved: () => undefined,
    databaseLost: () => undefined,
    databaseBack: () => undefined,
    close: () => undefined,
  };

  const watchedLog: EventLog = {
    ...log,
    tail() {
      counts.tails += 1;
      return log.tail();
    },
    read(...args) {
      counts.reads += 1;
      return log.read(...args);
    },
    async *subscribe(after, signal) {
      counts.subscribes += 1;
      const broken = new AbortController();
      breakSubscription = () => broken.abort();
      for await (const batch of log.subscribe(after, AbortSignal.any([signal, broken.signal]))) {
        yield batch;
        if (broken.signal.aborted) break;
      }
      if (broken.signal.aborted) throw new Error('the subscription broke');
    },
  };

  let time = 0;
  let atPause = () => {};
  const clock: Clock = {
    now: () => 0,
    // Every look takes so long that the feed makes a pause.
    monotonicMs() {
      atPause();
      return (time += 1_000);
    },
    sleep: (_, signal) =>
      new Promise((resolve) => {
        if (!manual) return resolve();
        sleeping.push(resolve);
        signal?.addEventListener('abort', () => resolve(), { once: true });
      }),
  };

  const metrics = createMetrics();
  const feed: LiveFeed = createLiveFeed({
    log: watchedLog,
    readModel,
    caughtUp,
    clock,
    logger: silentLogger,
    metrics,
    transport: createLocalTransport({ clock: systemClock }),
    space: 'test',
  });

  const pick = <T>(list: readonly T[]): T | undefined => list[Math.floor(random.float() * list.length)];

  return {
    feed,
    metrics,
    log,
    history,
    readModel,
    caughtUp,
    followeesOf: followeesNow,
    counts,
    random,
    advance,
    post: async (author: UserId): Promise<PostId> => {
      const postId = postIdOf((postNumber += 1));
      await append(author, { type: 'PostCreated', postId, text: `post ${postNumber}` });
      return postId;
    },
    remove: (author: UserId, postId: PostId) => append(author, { type: 'PostDeleted', postId }),
    follow: (viewer: UserId, followeeId: UserId) => append(viewer, { type: 'UserFollowed', followeeId }),
    unfollow: (viewer: UserId, followeeId: UserId) => append(viewer, { type: 'UserUnfollowed', followeeId }),
    tail: async () => (await log.tail())?.position ?? { logId: log.id, commit: 0, index: 0 },
    /** The fake read model looks at its state for one request, whose answer is then on its way. */
    answerOne() {
      const request = pick(pending.filter(({ answered }) => answered === undefined));
      if (request) request.answered = { value: request.answer() };
    },
    deliverOne(which: 'any' | 'oldest' | 'newest' = 'any') {
      const answered = pending.filter((request) => request.answered !== undefined);
      const request = which === 'any' ? pick(answered) : answered.at(which === 'oldest' ? 0 : -1);
      if (request === undefined) return;
      pending.splice(pending.indexOf(request), 1);
      request.resolve(request.answered?.value);
    },
    failOne() {
      const request = pick(pending);
      if (request === undefined) return;
      pending.splice(pending.indexOf(request), 1);
      request.reject(new DatabaseUnavailable('gone for a moment'));
    },
    /** Does something as soon as `condition` holds at a pause of the feed. The function it returns tells whether that has been. */
    whenPaused(condition: () => boolean, act: () => void): () => boolean {
      let acted = false;
      atPause = () => {
        if (acted || !condition()) return;
        acted = true;
        // The pause begins behind this look at the clock.
        queueMicrotask(act);
      };
      return () => acted;
    },
    wakeOne: () => sleeping.shift()?.(),
    breakSubscription: () => breakSubscription?.(),
    idle: () => applied === history.length && pending.length === 0 && sleeping.length === 0,
  };
}

export type World = ReturnType<typeof createWorld>;

/** Lets everything run that can run. */
export async function breathe(turns = 4): Promise<void> {
  for (let turn = 0; turn < turns; turn += 1) await nextTurn();
}

const hex = (number: number, digits: number) => number.toString(16).padStart(digits, '0');
export const userIdNumber = (number: number) => `00000000-0000-5000-8000-${hex(number, 12)}` as UserId;
const postIdOf = (number: number) => `00000000-0000-7000-8000-${hex(number, 12)}` as PostId;

export function postRow(id: PostId, authorId: UserId, position: Position): PostRow {
  const author = {
    id: authorId,
    handle: `u${authorId.slice(-3)}` as Handle,
    name: 'A',
    bio: '',
    createdAt: 0,
    postCount: 0,
    followerCount: 0,
    followingCount: 0,
  };
  return { id, text: `text of ${id}`, createdAt: 0, position, author, inReplyTo: null };
}

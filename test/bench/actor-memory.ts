import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import type { Command, CommandEnvelope } from '../../src/actors/commands.ts';
import { commandMessage } from '../../src/actors/envelope.ts';
import { fingerprintOf } from '../../src/actors/fingerprint.ts';
import { startActorHost } from '../../src/actors/runtime/host.ts';
import { createMemorySnapshots } from '../../src/actors/runtime/snapshots.ts';
import type { EventLog, ExpectedVersion } from '../../src/events/event-log.ts';
import type { UserEvent } from '../../src/events/event-types.ts';
import { newCommandId, newPostId, parseHandle, userIdOf, userStreamOf } from '../../src/events/ids.ts';
import type { CommandId, UserId } from '../../src/events/ids.ts';
import { createMemoryLog } from '../../src/events/memory-log.ts';
import { silentLogger } from '../../src/logger.ts';
import { createMetrics } from '../../src/metrics.ts';
import { seededRandom } from '../../src/random.ts';
import { createLocalTransport } from '../../src/transport/local-transport.ts';
import { commandSubject, shardOf } from '../../src/transport/subjects.ts';
import type { Message } from '../../src/transport/transport.ts';
import { fixedMembership } from '../support/fixed-membership.ts';
import { createSimulatedClock } from '../simulation/simulated-clock.ts';

export interface ActorMemory {
  /** Mean of an idle active actor, all that goes when it is put away, remembered commands included. */
  readonly bytesPerActor: number;
  /** The same without 32 bytes for each remembered command. */
  readonly bytesPerActorBesideCommands: number;
  readonly actors: number;
  readonly commandsPerActor: number;
  /** An actor with 10,000 posts of the last year, of whose commands it remembers 256. */
  readonly bytesOf10kPosts: number;
  /** An actor with 10,000 posts of one day, all of whose commands it remembers. */
  readonly bytesOf10kPostsToday: number;
  /** What is left of 100,000 actors that were put away, as a share of the heap while all were active (which holds the log too). */
  readonly leftAfterPassivation: number;
  readonly leftBytes: number;
}

export interface Population {
  /** The index of each follower and followee. */
  readonly follows: readonly (readonly [number, number])[];
  readonly userCount: number;
  readonly postCount: number;
}

/** Needs `node --expose-gc`: what is garbage is nobody's memory. */
export async function measureActorMemory(population: Population, sizes = { posts: 10_000, passivated: 100_000 }): Promise<ActorMemory> {
  // The few first, while the heap is small: a full collection leaves the more behind the more there was.
  const year = 365 * 24 * 3_600_000;
  const old = await measure(await prolific(sizes.posts, year / sizes.posts));
  const today = await measure(await prolific(sizes.posts, 1_000));
  const everybody = await measure(await populated(population));
  const crowd = await measure(await populated({ follows: [], userCount: sizes.passivated, postCount: 0 }));
  const commandsPerActor = (population.userCount + population.follows.length + population.postCount) / population.userCount;
  return {
    bytesPerActor: everybody.bytes / population.userCount,
    bytesPerActorBesideCommands: everybody.bytes / population.userCount - 32 * commandsPerActor,
    actors: population.userCount,
    commandsPerActor,
    bytesOf10kPosts: old.bytes / prolificUsers,
    bytesOf10kPostsToday: today.bytes / prolificUsers,
    leftAfterPassivation: crowd.leftBytes / crowd.heapBytes,
    leftBytes: crowd.leftBytes,
  };
}

export async function readPopulation(dataFolder: string): Promise<Population> {
  const lines = async (file: string) =>
    gunzipSync(await readFile(join(dataFolder, file)))
      .toString('utf8')
      .trimEnd()
      .split('\n');
  const indexes = new Map<string, number>();
  const indexOf = (name: string) => indexes.get(name) ?? (indexes.set(name, indexes.size), indexes.size - 1);
  const follows = (await lines('follows.tsv.gz')).slice(1).map((line): [number, number] => {
    const [follower, followee] = line.split('\t');
    return [indexOf(follower!), indexOf(followee!)];
  });
  return { follows, userCount: indexes.size, postCount: (await lines('posts.txt.gz')).length };
}

interface World {
  readonly log: EventLog;
  readonly users: readonly UserId[];
  readonly clock: ReturnType<typeof createSimulatedClock>;
}

/** A log in which everybody has registered, followed and posted; authors are drawn by the number of their followers. */
async function populated({ follows, userCount, postCount }: Population): Promise<World> {
  const world = createWorld(Array.from({ length: userCount }, (_, n) => `u${n}`));
  const { append, users, random, clock } = world;
  for (const [follower, followee] of follows) await append(users[follower]!, { type: 'UserFollowed', followeeId: users[followee]! });
  for (let n = 0; n < postCount; n++) {
    const author = follows[Math.floor(random.float() * follows.length)]![1];
    await append(users[author]!, { type: 'PostCreated', postId: newPostId(clock, random), text: 'x' });
  }
  return world;
}

/** Several, since one alone would drown in the noise of the collector. */
const prolificUsers = 10;

async function prolific(posts: number, pauseMs: number): Promise<World> {
  const world = createWorld(Array.from({ length: prolificUsers }, (_, n) => `u${n}`));
  const { append, users, random, clock } = world;
  for (let n = 0; n < posts; n++) {
    await clock.advance(pauseMs);
    for (const user of users) await append(user, { type: 'PostCreated', postId: newPostId(clock, random), text: 'x' });
  }
  return world;
}

function createWorld(names: readonly string[]) {
  const random = seededRandom(1);
  const clock = createSimulatedClock();
  const log = createMemoryLog({ random });
  const heads = new Map<UserId, ExpectedVersion>();

  async function append(userId: UserId, event: UserEvent): Promise<void> {
    const metadata = { commandId: newCommandId(random), fingerprint: fingerprintOf({ type: 'FollowUser', followeeId: userId }) };
    const commit = { time: clock.now(), metadata, events: [event] as const };
    heads.set(userId, await log.append(userStreamOf(userId), heads.get(userId) ?? 'no-stream', commit));
  }

  const handles = names.map((name) => parseHandle(name)!);
  const users = handles.map((handle) => userIdOf(handle, log.namespace));
  const registered = (async () => {
    for (const [n, handle] of handles.entries())
      await append(users[n]!, { type: 'UserRegistered', handle, name: handle, passwordHash: 'x' });
  })();
  return {
    log,
    users,
    clock,
    random,
    append: async (userId: UserId, event: UserEvent) => {
      await registered;
      await append(userId, event);
    },
  };
}

/** Brings up everybody by a command that changes nothing, and puts everybody away again; the difference is what actors take. */
async function measure({ log, users, clock }: World): Promise<{ bytes: number; leftBytes: number; heapBytes: number }> {
  const transport = createLocalTransport({ clock });
  const limits = { activeActorsMax: users.length + 1, passivateAfterMs: 1_000, snapshotEveryEvents: Infinity };
  const ports = {
    log,
    transport,
    snapshots: createMemorySnapshots(),
    space: 's',
    membership: fixedMembership(clock),
    clock,
    random: seededRandom(2),
    logger: silentLogger,
    metrics: createMetrics(),
  };
  const host = await startActorHost({ ...ports, limits });

  const inTime = { monotonicMs: clock.monotonicMs() + 1e9, wallMs: clock.now() + 1e9 };

  async function bringUp(someone: readonly UserId[]): Promise<void> {
    for (const userId of someone) {
      const command: Command = { type: 'UnfollowUser', followeeId: '00000000-0000-5000-8000-000000000000' as UserId };
      const envelope: CommandEnvelope = { userId, commandId: 'measure' as CommandId, clientChose: false, deadline: inTime, command };
      // As over a wire: strings of the actor's own.
      const message = JSON.parse(JSON.stringify(commandMessage([envelope], 1))) as Message;
      const reply = await transport.request(commandSubject('s', ports.membership.nodeId, shardOf(userId)), message, { timeoutMs: 1e9 });
      if ((reply.body as { outcome?: string }).outcome !== 'accepted') throw new Error(`not accepted: ${JSON.stringify(reply)}`);
    }
  }

  // What is made once and for all (code, caches) is not the actors'.
  await bringUp(users.slice(0, 100));
  await clock.advance(10_000);
  const before = await heapBytes();
  await bringUp(users);
  const active = await heapBytes();
  await clock.advance(10_000);
  if (host.activeActors > 0) throw new Error('some actors were not put away');
  const after = await heapBytes();
  await host.stop();
  await transport.close();
  return { bytes: active - after, leftBytes: Math.max(0, after - before), heapBytes: active };
}

async function heapBytes(): Promise<number> {
  if (globalThis.gc === undefined) throw new Error('run with node --expose-gc');
  // Buffers are given back in a later turn than the objects that held them.
  for (let round = 0; round < 4; round++) {
    globalThis.gc();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  console.log(await measureActorMemory(await readPopulation(process.argv[2] ?? '.')));
}

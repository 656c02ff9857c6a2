import { RetentionPolicy, StorageType, connect } from 'nats';
import type { JetStreamClient, NatsConnection } from 'nats';
import type { Membership } from '../../src/actors/runtime/members.ts';
import type { CommandClient } from '../../src/actors/command-client.ts';
import type { EventLog } from '../../src/events/event-log.ts';
import type { PostId, UserId } from '../../src/events/ids.ts';
import type { Transport } from '../../src/transport/transport.ts';
import { built } from './built.ts';
import { serveCalls } from './calls.ts';
import { percentilesOf } from './percentiles.ts';

// Sends commands to a cluster as a gateway does, and does the bare equivalents with the same library from the same process.

interface Connected {
  readonly log: EventLog & { close(): Promise<void> };
  readonly transport: Transport;
  readonly membership: Membership;
  readonly commands: CommandClient;
  readonly bare: NatsConnection;
  readonly bareJetStream: JetStreamClient;
  readonly users: UserId[];
  readonly newPostId: () => PostId;
}

let connected: Connected | undefined;
const now = (): Connected => {
  if (connected === undefined) throw new Error('connect first');
  return connected;
};

const text = 'a post of a length that posts have, on the whole, give or take a few words: this is it';
const floorStream = 'FLOOR';
/** Last sequence of each floor subject, for the fence. */
const floorSequences = new Map<string, number>();

async function floorPublish(subject: string, bytes: Uint8Array): Promise<void> {
  const options = { expect: { lastSubjectSequence: floorSequences.get(subject) ?? 0 }, timeout: 10_000 };
  const { seq } = await now().bareJetStream.publish(subject, bytes, options);
  floorSequences.set(subject, seq);
}

async function inFlight(count: number, limit: number, work: (index: number) => Promise<void>): Promise<number> {
  let next = 0;
  const startedAt = performance.now();
  await Promise.all(
    Array.from({ length: limit }, async () => {
      while (next < count) await work(next++);
    }),
  );
  return (count * 1_000) / (performance.now() - startedAt);
}

async function post(user: number): Promise<string> {
  const { commands, users, newPostId } = now();
  const { answer } = await commands.send(users[user % users.length]!, { type: 'CreatePost', postId: newPostId(), text });
  return answer.outcome;
}

const handlers = {
  async connect({ servers, space, replicas }: { servers: readonly string[]; space: string; replicas: number }): Promise<void> {
    const [{ systemClock: clock }, { systemRandom: random }, { silentLogger: logger }] = [
      await built('clock.js'),
      await built('random.js'),
      await built('logger.js'),
    ];
    const { newPostId } = await built('events/ids.js');
    const { openJetStreamLog } = await built('events/jetstream-log.js');
    const { connectNats } = await built('transport/nats-transport.js');
    const { startMembership } = await built('actors/runtime/membership.js');
    const { createCommandClient } = await built('actors/transport-command-client.js');
    const ports = { clock, random, logger, space };
    const log = await openJetStreamLog({ ...ports, servers, replicas, name: 'bench log' });
    const transport = await connectNats({ ...ports, servers, name: 'bench' });
    const membership = await startMembership({
      ...ports,
      transport,
      node: { id: `bench${process.pid}`, roles: ['gateway'], startedAt: clock.now() },
      understands: { events: 1, messages: 1 },
      describe: () => ({ activeActors: 0, commandsAnswered: 0 }),
    });
    // As lean as the library can be: a stack trace for each request would cost more than the request.
    const bare = await connect({ servers: [...servers], noAsyncTraces: true });
    const manager = await bare.jetstreamManager();
    await manager.streams.add({
      name: floorStream,
      subjects: ['floor.>'],
      num_replicas: replicas,
      storage: StorageType.File,
      retention: RetentionPolicy.Limits,
    });
    connected = {
      log,
      transport,
      membership,
      commands: createCommandClient({ ...ports, transport, membership }),
      bare,
      bareJetStream: bare.jetstream(),
      users: [],
      // Imported once: an import for each post would cost more than the post.
      newPostId: () => newPostId(clock, random),
    };
  },

  async register({ count }: { count: number }): Promise<void> {
    const { commands, log, users } = now();
    const { parseHandle, userIdOf } = await built('events/ids.js');
    await inFlight(count, 64, async (index) => {
      const handle = parseHandle(`bench_${index}`)!;
      const userId = userIdOf(handle, log.namespace);
      const { answer } = await commands.send(userId, { type: 'RegisterUser', handle, name: handle, passwordHash: '!' });
      if (answer.outcome !== 'accepted') throw new Error(`register: ${answer.outcome}`);
      users[index] = userId;
    });
  },

  /** Commands per second, each user with at most one on its way. */
  commands: async ({ count, limit }: { count: number; limit: number }): Promise<number> =>
    inFlight(count, limit, async (index) => {
      const outcome = await post(index);
      if (outcome !== 'accepted') throw new Error(`a command was ${outcome}`);
    }),

  /** Publishes per second with expected sequences, on as many subjects, of as many bytes as a commit has. */
  async publishes({ count, limit, subjects }: { count: number; limit: number; subjects: number }): Promise<number> {
    const bytes = new Uint8Array(await commitBytes());
    return inFlight(count, limit, (index) => floorPublish(`floor.${index % subjects}`, bytes));
  },

  /** Median milliseconds of commands one at a time. */
  async roundTrip({ count }: { count: number }): Promise<number> {
    return medianOf(count, async (index) => {
      if ((await post(index)) !== 'accepted') throw new Error('a command failed');
    });
  },

  /** Median milliseconds of a request to a bare responder, and one publish, one after the other. */
  async bareRoundTrip({ count, subject }: { count: number; subject: string }): Promise<number> {
    const bytes = new Uint8Array(await commitBytes());
    return medianOf(count, async (index) => {
      await now().bare.request(subject, bytes, { timeout: 5_000 });
      await floorPublish(`floor.${index % 100}`, bytes);
    });
  },

  /** Messages per second of a bare consumer over the whole stream of the log, as many at once as the log asks for. */
  async bareRead({ stream }: { stream: string }): Promise<number> {
    const { bare, bareJetStream } = now();
    const { messages } = (await (await bare.jetstreamManager()).streams.info(stream)).state;
    const startedAt = performance.now();
    const consumer = await bareJetStream.consumers.get(stream);
    let read = 0;
    for await (const message of await consumer.consume({ max_messages: 1_024 })) {
      read += message.data.length > 0 ? 1 : 0;
      if (read >= messages) break;
    }
    return (read * 1_000) / (performance.now() - startedAt);
  },

  /** Commits per second of the log's own subscription, decoded and checked. */
  async logRead(): Promise<number> {
    const { log } = now();
    const { position } = (await log.tail())!;
    const over = new AbortController();
    const startedAt = performance.now();
    let read = 0;
    for await (const batch of log.subscribe('start', over.signal)) {
      read += batch.length;
      if (batch.at(-1)!.commit >= position.commit) over.abort();
    }
    return (read * 1_000) / (performance.now() - startedAt);
  },

  /** An open loop: whatever the answers take, commands go out at this rate. */
  async steady({ perSecond, forMs }: { perSecond: number; forMs: number }) {
    const latencies: number[] = [];
    const outcomes: Record<string, number> = {};
    const startedAt = performance.now();
    const sent: Promise<void>[] = [];
    const count = Math.round((perSecond * forMs) / 1_000);
    for (let index = 0; index < count; index++) {
      const dueAt = startedAt + (index * 1_000) / perSecond;
      while (performance.now() < dueAt) await new Promise((resolve) => void setTimeout(resolve, 1));
      sent.push(
        post(index).then((outcome) => {
          latencies.push(performance.now() - dueAt);
          outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
        }),
      );
    }
    await Promise.all(sent);
    return { outcomes, latencyMs: percentilesOf(latencies) };
  },

  /** Actor nodes that serve, as this client sees them. */
  async actorNodes(): Promise<number> {
    return now()
      .membership.members()
      .filter(({ roles, phase, shards }) => roles.includes('actors') && phase === 'serving' && shards.length > 0).length;
  },
};
export type ClusterClientCalls = typeof handlers;

/** Of the last commit in the log, as it travels. */
async function commitBytes(): Promise<number> {
  const { log } = now();
  const { encodeCommit } = await built('events/codec.js');
  const last = await log.commitAt((await log.tail())!.position);
  return encodeCommit(last!).length;
}

async function medianOf(count: number, work: (index: number) => Promise<void>): Promise<number> {
  const took: number[] = [];
  for (let index = 0; index < count; index++) {
    const startedAt = performance.now();
    await work(index);
    took.push(performance.now() - startedAt);
  }
  return percentilesOf(took).p50;
}

serveCalls(handlers, async () => {
  await connected?.membership.stop();
  await connected?.transport.close();
  await connected?.log.close();
  await connected?.bare.close();
});

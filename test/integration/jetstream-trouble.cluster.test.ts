import type { ConsumerInfo } from 'nats';
import { expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { AppendOutcomeUnknown, LogUnavailable, WrongExpectedVersion } from '../../src/events/event-log.ts';
import type { EventLog, ExpectedVersion, NewCommit, RecordedCommit, StreamHead } from '../../src/events/event-log.ts';
import type { PostId, StreamName } from '../../src/events/ids.ts';
import { createJetStreamApi } from '../../src/events/jetstream-api.ts';
import { deliver } from '../../src/events/jetstream-delivery.ts';
import { subjectOf } from '../../src/events/jetstream-message.ts';
import { openJetStreamLog } from '../../src/events/jetstream-log.ts';
import { silentLogger } from '../../src/logger.ts';
import { openNatsConnection } from '../../src/nats/nats-connection.ts';
import { createNatsRequests } from '../../src/nats/nats-requests.ts';
import { systemRandom } from '../../src/random.ts';
import { startNatsCluster } from '../support/nats-cluster.ts';
import type { NatsCluster } from '../support/nats-cluster.ts';
import { startNatsServer } from '../support/nats-server.ts';
import type { NatsServer } from '../support/nats-server.ts';
import { eventually } from '../support/wait-for.ts';

const ports = { name: 'test', clock: systemClock, random: systemRandom, logger: silentLogger };
const natsStream = 'STARLING_test';
const streamOf = (number: number) => `process-${number}` as StreamName;
const postId = '01928374-1234-7abc-8def-0123456789ab' as PostId;
const commitOf = (text: string): NewCommit => ({ events: [{ type: 'PostCreated', postId, text }], time: 1 });
const textOf = ({ events: [event] }: RecordedCommit) => (event.type === 'PostCreated' ? event.text : '');

async function open(servers: readonly string[], replicas: number): Promise<EventLog> {
  const log = await openJetStreamLog({ ...ports, servers, space: 'test', replicas });
  onTestFinished(() => log.close());
  return log;
}

async function cluster(options?: { cuttable: boolean }): Promise<NatsCluster> {
  const started = await startNatsCluster(3, options);
  onTestFinished(() => started.remove());
  return started;
}

async function server(): Promise<NatsServer> {
  const started = await startNatsServer({ jetStream: true });
  onTestFinished(() => started.remove());
  return started;
}

/** Everything from the start, as it comes, until the test ends. */
function follow(log: EventLog): RecordedCommit[] {
  const seen: RecordedCommit[] = [];
  const ending = new AbortController();
  onTestFinished(() => ending.abort());
  const run = async () => {
    for await (const batch of log.subscribe('start', ending.signal)) seen.push(...batch);
  };
  void run();
  return seen;
}

interface Witness {
  readonly acknowledged: Map<string, StreamHead>;
  /** Of which the log said that they are certainly not there. */
  readonly refused: Set<string>;
}

/**
 * Writes `<stream> <number> <try>` for each number to one stream, as an actor would: whenever it is unsure it looks where the stream ends before it goes on.
 */
async function write(log: EventLog, stream: StreamName, count: number, { acknowledged, refused }: Witness): Promise<void> {
  const end = () => eventually(() => log.head(stream), 'the log is back', 60_000, 50);
  let head: ExpectedVersion = 'no-stream';
  for (let [n, tries] = [0, 0]; n < count; tries += 1) {
    const text = `${stream} ${n} ${tries}`;
    try {
      head = await log.append(stream, head, commitOf(text));
      acknowledged.set(text, head);
      n += 1;
    } catch (error) {
      if (!(error instanceof AppendOutcomeUnknown)) refused.add(text);
      expect([AppendOutcomeUnknown, LogUnavailable, WrongExpectedVersion]).toContain((error as Error).constructor);
      head = await end();
      const { position } = head === 'no-stream' ? {} : head;
      const last = position && (await eventually(() => log.commitAt(position), 'the commit', 60_000, 50));
      if (last && textOf(last).startsWith(`${stream} ${n} `)) n += 1;
    }
  }
}

/** Writes so many commits to each of so many streams, all at once, and does harm twice on the way. */
async function writeThrough(log: EventLog, streams: number, each: number, harm: (witness: Witness) => Promise<void>): Promise<Witness> {
  const witness: Witness = { acknowledged: new Map(), refused: new Set() };
  const writing = Promise.all(Array.from({ length: streams }, (_, n) => write(log, streamOf(n), each, witness)));
  for (const share of [0.2, 0.6]) {
    await eventually(() => witness.acknowledged.size > streams * each * share, 'some are acknowledged', 60_000);
    await harm(witness);
  }
  await writing;
  return witness;
}

/** Every stream whole, each number once and in order, every acknowledged text where it was said to be, none that was refused. */
function expectWhole(seen: readonly RecordedCommit[], streams: number, each: number, { acknowledged, refused }: Witness): void {
  expect(seen.map(({ commit }) => commit)).toEqual(Array.from({ length: seen.length }, (_, at) => at + 1));
  for (let stream = 0; stream < streams; stream += 1) {
    const own = seen.filter((commit) => commit.stream === streamOf(stream));
    expect(own.map((commit) => Number(textOf(commit).split(' ')[1]))).toEqual(Array.from({ length: each }, (_, n) => n));
    expect(own.map(({ firstVersion }) => firstVersion)).toEqual(Array.from({ length: each }, (_, n) => n));
  }
  const places = new Map(seen.map((commit) => [textOf(commit), commit.commit]));
  for (const [text, { position }] of acknowledged) expect(places.get(text)).toBe(position.commit);
  for (const text of refused) expect(places.has(text)).toBe(false);
}

it('loses no acknowledged commit when the leader is killed again and again', { timeout: 180_000 }, async () => {
  const nats = await cluster();
  const log = await open(nats.urls, 3);
  const seen = follow(log);
  const [streams, each] = [16, 120];
  const witness = await writeThrough(log, streams, each, async ({ acknowledged }) => {
    const leader = nats.servers[await nats.leaderOf(natsStream)] as NatsServer;
    await leader.kill();
    const before = acknowledged.size;
    await eventually(() => acknowledged.size > before + streams, 'it goes on', 60_000);
    await leader.restart();
  });
  await eventually(() => seen.length >= streams * each, 'the subscriber has all', 30_000);
  expectWhole(seen, streams, each, witness);
});

it('does not say where a stream ends when the leader that it asks is cut off', { timeout: 120_000 }, async () => {
  const nats = await cluster({ cuttable: true });
  const setUp = await open(nats.urls, 3);
  const first = await setUp.append(streamOf(1), 'no-stream', commitOf('first'));
  const old = await nats.leaderOf(natsStream);
  const before = await open([nats.urls[old] ?? ''], 3);
  const after = await open([nats.urls[(old + 1) % 3] ?? ''], 3);
  expect(await before.head(streamOf(1))).toEqual(first);

  nats.isolate(old);
  let second: StreamHead | undefined;
  const answers: ExpectedVersion[] = [];
  let stop = false;
  const asking = async () => {
    while (!stop) {
      // What was asked after the second append was acknowledged must not be answered from before it.
      const known = second;
      const answer = await before.head(streamOf(1)).catch((error: unknown) => {
        expect(error).toBeInstanceOf(LogUnavailable);
        return undefined;
      });
      if (answer !== undefined && known !== undefined) answers.push(answer);
      await new Promise(setImmediate);
    }
  };
  const asked = asking();
  second = await eventually(() => after.append(streamOf(1), first, commitOf('second')), 'the others have a leader', 30_000, 50);
  await expect(before.head(streamOf(1))).rejects.toThrow(LogUnavailable);
  expect(await after.head(streamOf(1))).toEqual(second);
  nats.heal();
  await eventually(async () => (await before.head(streamOf(1))) !== 'no-stream', 'the one that was cut off is back', 30_000, 50);
  expect(await before.head(streamOf(1))).toEqual(second);
  stop = true;
  await asked;
  for (const answer of answers) expect(answer).toEqual(second);
});

it('says where streams end while one of three servers is dead', { timeout: 60_000 }, async () => {
  const nats = await cluster();
  const log = await open(nats.urls, 3);
  const head = await log.append(streamOf(1), 'no-stream', commitOf('first'));
  const leader = await nats.leaderOf(natsStream);
  await nats.servers[(leader + 1) % 3]?.kill();
  for (let n = 0; n < 5; n += 1) expect(await eventually(() => log.head(streamOf(1)), 'an answer', 20_000)).toEqual(head);
});

it('tells an end that may be behind without a proof of its leader', { timeout: 60_000 }, async () => {
  const nats = await cluster();
  const log = await open(nats.urls, 3);
  const head = await log.append(streamOf(1), 'no-stream', commitOf('first'));
  const watching = await nats.client();
  let proofs = 0;
  watching.subscribe(`$JS.API.STREAM.INFO.${natsStream}`, { callback: () => void (proofs += 1) });
  await watching.flush();
  expect(await log.head(streamOf(1), { mayBeBehind: true })).toEqual(head);
  expect(await log.head(streamOf(2), { mayBeBehind: true })).toBe('no-stream');
  expect(proofs).toBe(0);
  expect(await log.head(streamOf(1))).toEqual(head);
  await eventually(() => proofs > 0, 'a proof was asked for');
});

it('goes on after its server was killed and started again: appends, subscriptions, reads', { timeout: 60_000 }, async () => {
  const nats = await server();
  const log = await open([nats.url], 1);
  const seen = follow(log);
  const [streams, each] = [8, 200];
  const witness = await writeThrough(log, streams, each, async () => {
    await nats.stop();
    await nats.restart();
  });
  await eventually(() => seen.length >= streams * each, 'the subscriber has all');
  expectWhole(seen, streams, each, witness);
});

it('fails what is under way at once when the connection is lost, and takes nothing until it is back', async () => {
  const nats = await server();
  const log = await open([nats.url], 1);
  await log.append(streamOf(1), 'no-stream', commitOf('first'));
  nats.pause();
  const hanging = expect(log.append(streamOf(2), 'no-stream', commitOf('x'))).rejects.toBeInstanceOf(AppendOutcomeUnknown);
  await nats.kill();
  await hanging;
  await eventually(
    () => log.append(streamOf(3), 'no-stream', commitOf('x')).catch((error: unknown) => error instanceof LogUnavailable),
    'no',
  );
  await expect(log.head(streamOf(1))).rejects.toThrow(LogUnavailable);
});

it('makes a consumer anew that was deleted, or fell silent, and hands out every commit once', { timeout: 60_000 }, async () => {
  const nats = await cluster();
  // Connected to the first server, so that another one can stand still.
  const log = await open(nats.urls.slice(0, 1), 3);
  const seen = follow(log);
  const manager = await (await nats.client()).jetstreamManager();
  let appended = 0;
  const append = async () => {
    appended += 1;
    // Of one whose outcome was unknown, the next try tells that it is there.
    const isThere = (error: unknown) => error instanceof WrongExpectedVersion || Promise.reject(error);
    await eventually(() => log.append(streamOf(appended), 'no-stream', commitOf(`${appended}`)).catch(isThere), 'appended', 20_000);
  };
  await append();
  await eventually(() => seen.length === 1, 'the first is seen');

  const deleted = new Set<string>();
  const hostOf = (consumer: ConsumerInfo) => Number(consumer.cluster?.leader?.slice(1));
  let current: ConsumerInfo;
  do {
    current = await eventually(
      async () => {
        const found = (await manager.consumers.list(natsStream).next())[0];
        return found?.cluster?.leader !== undefined && !deleted.has(found.name) && found;
      },
      'a new consumer',
      20_000,
    );
    if (deleted.size > 0 && hostOf(current) !== 0) break;
    deleted.add(current.name);
    await manager.consumers.delete(natsStream, current.name);
    await append();
    await eventually(() => seen.length === appended, 'what came meanwhile is seen', 20_000);
  } while (deleted.size < 50);

  // The server that serves the consumer stands still: nobody says so, only the heartbeats stay away.
  const host = nats.servers[hostOf(current)] as NatsServer;
  host.pause();
  onTestFinished(() => host.resume());
  await append();
  await eventually(() => seen.length === appended, 'the next is seen', 30_000);
  host.resume();
  await append();
  await eventually(() => seen.length === appended, 'the last is seen', 30_000);
  expect(seen.map(({ commit }) => commit)).toEqual(Array.from({ length: appended }, (_, at) => at + 1));
});

it('hands out nothing twice when the replica that serves the consumer is behind', async () => {
  const nats = await server();
  const log = await open([nats.url], 1);
  const append = (number: number) => log.append(streamOf(number), 'no-stream', commitOf(`${number}`));
  for (const number of [1, 2, 3]) await append(number);
  const connection = await openNatsConnection({ servers: [nats.url], name: 'test', random: systemRandom });
  onTestFinished(() => connection.close());
  const requests = createNatsRequests(connection, { clock: systemClock, timeoutMs: 3_000, askAgainMs: 1_000 });
  onTestFinished(() => requests.close());
  const ending = new AbortController();
  onTestFinished(() => ending.abort());
  const seen: number[] = [];
  const run = async () => {
    // A server that does not have message 8 yet begins with the first that comes, as one does that is behind.
    const deliveries = { ...ports, connection, requests, api: createJetStreamApi(requests), stream: natsStream };
    for await (const batch of deliver(deliveries, { from: 8, signal: ending.signal, patienceMs: Infinity })) {
      seen.push(...batch.map(({ sequence }) => sequence));
    }
  };
  const following = run();
  const manager = await connection.jetstreamManager();
  await eventually(async () => (await manager.consumers.list(natsStream).next()).length > 0, 'there is a consumer');
  for (const number of [4, 5, 6, 7, 8, 9]) await append(number);
  await eventually(() => seen.length === 3, 'the last three are seen');
  expect(seen).toEqual([8, 9, 10]);
  ending.abort();
  await following;
});

it('hands out every message once while the servers do not agree on a consumer, and after they did', async () => {
  const nats = await server();
  const log = await open([nats.url], 1);
  const append = (number: number) => log.append(streamOf(number), 'no-stream', commitOf(`${number}`));
  const connection = await openNatsConnection({ servers: [nats.url], name: 'test', random: systemRandom });
  onTestFinished(() => connection.close());
  const requests = createNatsRequests(connection, { clock: systemClock, timeoutMs: 3_000, askAgainMs: 1_000 });
  onTestFinished(() => requests.close());
  const ending = new AbortController();
  onTestFinished(() => ending.abort());
  const api = createJetStreamApi(requests);
  let agree = () => {};
  const agreed = new Promise<void>((resolve) => (agree = resolve));
  const createConsumer: typeof api.createConsumer = async (...what) => agreed.then(() => api.createConsumer(...what));
  const seen: number[] = [];
  const run = async () => {
    const deliveries = { ...ports, connection, requests, api: { ...api, createConsumer }, stream: natsStream };
    for await (const batch of deliver(deliveries, { from: 1, signal: ending.signal, patienceMs: Infinity })) {
      seen.push(...batch.map(({ sequence }) => sequence));
    }
  };
  const following = run();
  for (const number of [1, 2, 3]) await append(number);
  await eventually(() => seen.length === 4, 'what there is is seen without a consumer');
  agree();
  const manager = await connection.jetstreamManager();
  await eventually(async () => (await manager.consumers.list(natsStream).next()).length > 0, 'there is a consumer');
  for (const number of [4, 5, 6]) await append(number);
  await eventually(() => seen.length === 7, 'the rest is seen');
  expect(seen).toEqual([1, 2, 3, 4, 5, 6, 7]);
  ending.abort();
  await following;
});

it('reads one stream while the servers do not agree on a consumer', async () => {
  const nats = await server();
  const log = await open([nats.url], 1);
  const [own, other] = [streamOf(1), streamOf(2)];
  let [end, otherEnd] = [await log.append(own, 'no-stream', commitOf('1')), await log.append(other, 'no-stream', commitOf('2'))];
  for (const text of ['3', '5', '7']) {
    end = await log.append(own, end, commitOf(text));
    otherEnd = await log.append(other, otherEnd, commitOf(String(Number(text) + 1)));
  }
  const connection = await openNatsConnection({ servers: [nats.url], name: 'test', random: systemRandom });
  onTestFinished(() => connection.close());
  const requests = createNatsRequests(connection, { clock: systemClock, timeoutMs: 3_000, askAgainMs: 1_000 });
  onTestFinished(() => requests.close());
  const ending = new AbortController();
  const api = { ...createJetStreamApi(requests), createConsumer: () => new Promise<never>(() => {}) };
  const deliveries = { ...ports, connection, requests, api, stream: natsStream };
  const seen: number[] = [];
  for await (const batch of deliver(deliveries, { from: 1, subject: subjectOf('test', own), signal: ending.signal, patienceMs: 5_000 })) {
    seen.push(...batch.map(({ sequence }) => sequence));
    if (seen.length === 4) ending.abort();
  }
  expect(seen).toEqual([2, 4, 6, 8]);
});

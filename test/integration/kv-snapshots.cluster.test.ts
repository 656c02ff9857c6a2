import { afterEach, expect, test } from 'vitest';
import { openKvSnapshots } from '../../src/actors/runtime/kv-snapshots.ts';
import { systemClock } from '../../src/clock.ts';
import { userIdOf, userStreamOf, parseHandle } from '../../src/events/ids.ts';
import { openJetStreamLog } from '../../src/events/jetstream-log.ts';
import { silentLogger } from '../../src/logger.ts';
import { systemRandom } from '../../src/random.ts';
import { recover } from '../../src/actors/runtime/recovery.ts';
import { createSnapshotKeeper } from '../../src/actors/runtime/snapshot-keeper.ts';
import { startNatsServer } from '../support/nats-server.ts';
import type { NatsServer } from '../support/nats-server.ts';

const open: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).toReversed()) await close();
});

async function start(options: Parameters<typeof startNatsServer>[0] = { jetStream: true }): Promise<NatsServer> {
  const server = await startNatsServer(options);
  open.push(() => server.remove());
  return server;
}

async function openStore(server: NatsServer, space = 'test') {
  const store = await openKvSnapshots({ servers: [server.url], name: 'test', space, replicas: 1, random: systemRandom });
  open.push(() => store.close());
  return store;
}

const stream = userStreamOf(userIdOf(parseHandle('ada')!, 'b3b8a3a0-6b0c-4f6e-9c57-3f0c1c9d9d10'));

test('what one node keeps another one loads; systems in other spaces have their own', async () => {
  const server = await start();
  const [mine, theirs, others] = [await openStore(server), await openStore(server), await openStore(server, 'other')];
  expect(await mine.load(stream)).toBeUndefined();
  await mine.save(stream, 1_000, Buffer.from('first'));
  await mine.save(stream, 2_000, Buffer.from('second'));
  expect(Buffer.from((await theirs.load(stream))!).toString()).toBe('second');
  expect(await others.load(stream)).toBeUndefined();
});

test('one that does not fit into a message is refused, and the one before stays', async () => {
  const store = await openStore(await start({ jetStream: true, maxPayloadBytes: 8_192 }));
  await store.save(stream, 1_000, Buffer.from('small'));
  await expect(store.save(stream, 2_000, Buffer.alloc(10_000))).rejects.toThrow('does not fit into a message of this NATS (max_payload)');
  expect(Buffer.from((await store.load(stream))!).toString()).toBe('small');
});

test('a node that takes an actor over begins with the snapshot of the other', async () => {
  const server = await start();
  const ports = { clock: systemClock, random: systemRandom, logger: silentLogger };
  const log = await openJetStreamLog({ ...ports, servers: [server.url], name: 'test', space: 'test', replicas: 1 });
  open.push(() => log.close());
  const handle = parseHandle('ada')!;
  const userId = userIdOf(handle, log.namespace);
  let head = await log.append(userStreamOf(userId), 'no-stream', {
    events: [{ type: 'UserRegistered', handle, name: 'Ada', passwordHash: '!' }],
    time: 1,
  });
  for (let n = 0; n < 20; n++) head = await log.append(userStreamOf(userId), head, { events: [{ type: 'CommandNoted' }], time: 2 + n });

  const recovery = { log, logger: silentLogger, snapshotEveryEvents: 10 };
  const [mine, theirs] = [await openStore(server), await openStore(server)];
  const keeper = createSnapshotKeeper({ store: mine, everyEvents: 10, logger: silentLogger });
  keeper.keep(await recover(userId, { ...recovery, snapshots: mine }));
  await keeper.settled();

  const readFrom: number[] = [];
  const watched = {
    ...log,
    read: (of: Parameters<typeof log.read>[0], from = 0) => {
      readFrom.push(from);
      return log.read(of, from);
    },
  };
  const known = await recover(userId, { ...recovery, log: watched, snapshots: theirs });
  expect(known.head).toEqual(head);
  // The commit that the snapshot ends with is looked at, and what comes after it; the 20 before are not.
  expect(Math.min(...readFrom)).toBe(head.version);
});

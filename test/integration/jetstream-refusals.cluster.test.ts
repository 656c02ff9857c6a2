import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { connect } from 'nats';
import { expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import type { EventLog } from '../../src/events/event-log.ts';
import type { StreamName } from '../../src/events/ids.ts';
import { openJetStreamLog } from '../../src/events/jetstream-log.ts';
import type { JetStreamLogOptions } from '../../src/events/jetstream-log.ts';
import { silentLogger } from '../../src/logger.ts';
import { systemRandom } from '../../src/random.ts';
import { startNatsCluster } from '../support/nats-cluster.ts';
import { startNatsServer } from '../support/nats-server.ts';
import type { NatsServer, NatsServerOptions } from '../support/nats-server.ts';
import { eventually } from '../support/wait-for.ts';

const ports = { name: 'test', clock: systemClock, random: systemRandom, logger: silentLogger };

async function server(options: NatsServerOptions = { jetStream: true }): Promise<NatsServer> {
  const started = await startNatsServer(options);
  onTestFinished(() => started.remove());
  return started;
}

async function open(url: string, more: Partial<JetStreamLogOptions> = {}): Promise<EventLog> {
  const log = await openJetStreamLog({ ...ports, servers: [url], space: 'test', replicas: 1, patienceMs: 500, ...more });
  onTestFinished(() => log.close());
  return log;
}

async function refusalOf(opening: Promise<EventLog>): Promise<string> {
  const error: unknown = await opening.then(
    () => 'opened',
    (cause: unknown) => cause,
  );
  expect(error).toMatchObject({ code: 'LOG_UNAVAILABLE' });
  return (error as Error).message;
}

async function infoOf(url: string) {
  const connection = await connect({ servers: url });
  const info = await (await connection.jetstreamManager()).streams.info('STARLING_test');
  await connection.close();
  return info;
}

/** Changes the NATS stream behind our back. */
async function edit(url: string, change: object): Promise<void> {
  const connection = await connect({ servers: url });
  const manager = await connection.jetstreamManager();
  const { config } = await manager.streams.info('STARLING_test');
  await manager.streams.update('STARLING_test', { ...config, ...change });
  await connection.close();
}

it('refuses a NATS without JetStream', async () => {
  const { url } = await server({});
  expect(await refusalOf(open(url))).toBe(
    'this NATS has no JetStream: start nats-server with "-js", or with a jetstream block in its configuration',
  );
});

it('refuses a user for whom JetStream is not enabled', async () => {
  const { url } = await server({ jetStream: true, config: 'accounts { A { users: [{ user: a, password: b }] } }' });
  expect(await refusalOf(open(url.replace('nats://', 'nats://a:b@')))).toContain('not enabled for this user’s account');
});

it('refuses more replicas than there are servers', async () => {
  const { url } = await server();
  expect(await refusalOf(open(url, { replicas: 3 }))).toContain('too few servers with JetStream for 3 replicas');
  const cluster = await startNatsCluster(2);
  onTestFinished(() => cluster.remove());
  expect(await refusalOf(open(cluster.urls[0] ?? '', { replicas: 3 }))).toContain('too few servers');
});

it('refuses a user who may not use JetStream, and says what it takes', async () => {
  const { url } = await server({
    jetStream: true,
    config: 'authorization { users: [{ user: a, password: b, permissions: { publish: "other.>", subscribe: "_INBOX.>" } }] }',
  });
  const refusal = await refusalOf(open(url.replace('nats://', 'nats://a:b@')));
  expect(refusal).toContain('the user needs to publish to $JS.API.> and starling.test.>');
});

it('refuses a stream of a newer format, and one that is not ours', async () => {
  const { url } = await server();
  await (await open(url)).close();
  await edit(url, { metadata: { starling_format: '2' } });
  expect(await refusalOf(open(url))).toContain('has format 2, this version of Starling reads 1: use a newer one');
  await edit(url, { metadata: {} });
  expect(await refusalOf(open(url))).toContain('is not an event log of Starling');
});

it('refuses a stream that was set to drop old messages', async () => {
  const { url } = await server();
  await (await open(url)).close();
  await edit(url, { max_msgs: 1_000 });
  expect(await refusalOf(open(url))).toContain('remove its limits');
});

it('refuses a stream that has lost all its messages, instead of beginning another log in it', async () => {
  const { url } = await server();
  await (await open(url)).close();
  const second = 1e9;
  await edit(url, { max_age: second / 10 });
  await eventually(async () => (await infoOf(url)).state.messages === 0, 'all messages were dropped');
  await edit(url, { max_age: 0 });
  await expect(open(url)).rejects.toMatchObject({ code: 'LOG_CORRUPT', message: expect.stringContaining('has lost messages: it holds 0') });
});

it('refuses a stream whose messages cannot be read one by one', async () => {
  const { url } = await server();
  await (await open(url)).close();
  await edit(url, { allow_direct: false });
  expect(await refusalOf(open(url))).toContain('nats stream edit STARLING_test --allow-direct');
});

it('refuses a stream with fewer replicas than asked for, and takes one with more', async () => {
  const cluster = await startNatsCluster();
  onTestFinished(() => cluster.remove());
  const url = cluster.urls[0] ?? '';
  const first = await open(url);
  expect(await refusalOf(open(url, { replicas: 3 }))).toContain('nats stream edit STARLING_test --replicas 3');
  await edit(url, { num_replicas: 3 });
  const second = await open(url, { replicas: 3, patienceMs: 10_000 });
  const third = await open(url, { replicas: 1, patienceMs: 10_000 });
  expect([second.id, third.id]).toEqual([first.id, first.id]);
});

it('refuses a server whose messages are too small for the largest commit', async () => {
  const { url } = await server({ jetStream: true, maxPayloadBytes: 100_000 });
  expect(await refusalOf(open(url))).toMatch(/100000 bytes at the most, the log needs \d+: raise max_payload/);
});

it('refuses servers that are too old: for replicas older than 2.10.27, otherwise than 2.10.0', async () => {
  const old = async (version: string) => {
    // Says who it is and how it lives, as every nats-server does before anything else.
    const fake = createServer((socket) => {
      socket.on('error', () => {});
      socket.write(
        `INFO ${JSON.stringify({ server_id: 'x', version, proto: 1, max_payload: 1_048_576, headers: true, jetstream: true })}\r\n`,
      );
      socket.on('data', (bytes) => bytes.toString().includes('PING') && socket.write('PONG\r\n'));
    });
    await new Promise<void>((resolve) => fake.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void fake.close());
    return `nats://127.0.0.1:${(fake.address() as AddressInfo).port}`;
  };
  expect(await refusalOf(open(await old('2.9.10')))).toBe(
    'this nats-server is version 2.9.10, and an event log with 1 replica needs 2.10.0 or later: renew every server of the cluster',
  );
  expect(await refusalOf(open(await old('2.10.26'), { replicas: 3 }))).toContain('with 3 replicas needs 2.10.27 or later');
  expect(await refusalOf(open(await old('2.10.27'), { replicas: 3, patienceMs: 0 }))).not.toContain('renew');
});

it('keeps two spaces on one NATS apart', async () => {
  const { url } = await server();
  const [one, two] = [await open(url, { space: 'one' }), await open(url, { space: 'two' })];
  expect(one.id).not.toBe(two.id);
  const commit = { events: [{ type: 'CommandNoted' }], time: 1 } as const;
  const head = await one.append('runs' as StreamName, 'no-stream', commit);
  expect(await two.head('runs' as StreamName)).toBe('no-stream');
  expect(await two.tail()).toBeUndefined();
  await expect(two.append('runs' as StreamName, head, commit)).rejects.toMatchObject({ code: 'WRONG_EXPECTED_VERSION' });
});

it('is made once when many make it at the same moment', async () => {
  const cluster = await startNatsCluster();
  onTestFinished(() => cluster.remove());
  const opening = Array.from({ length: 12 }, (_, n) => open(cluster.urls[n % 3] ?? '', { replicas: 3, patienceMs: 20_000 }));
  const logs = await Promise.all(opening);
  expect(new Set(logs.map(({ id, namespace }) => `${id} ${namespace}`)).size).toBe(1);
  const head = await logs[0]?.append('runs' as StreamName, 'no-stream', { events: [{ type: 'CommandNoted' }], time: 1 });
  for (const log of logs) expect(await log.head('runs' as StreamName)).toEqual(head);
});

import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import { Socket, connect, createServer as createTcpServer } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { startBalancer } from '../../src/cli/cluster/balancer.ts';
import type { Balancer } from '../../src/cli/cluster/balancer.ts';
import { assertFree, freePorts } from '../../src/cli/cluster/free-ports.ts';
import { waitUntilReady } from '../../src/cli/cluster/readiness.ts';
import { systemClock } from '../../src/clock.ts';

const open: { servers: Server[]; balancer?: Balancer } = { servers: [] };
afterEach(async () => {
  await open.balancer?.close();
  for (const server of open.servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

async function startTarget(name: string): Promise<number> {
  const server = createServer((_, response) => response.setHeader('connection', 'close').end(name));
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  open.servers.push(server);
  return (server.address() as { port: number }).port;
}

async function ask(count: number): Promise<string[]> {
  const answers: string[] = [];
  for (let n = 0; n < count; n++) {
    const response = await fetch(`http://127.0.0.1:${open.balancer!.port}/`, { headers: { connection: 'close' } });
    answers.push(await response.text());
  }
  return answers;
}

test('connections go to the targets in turn', async () => {
  const targets = [await startTarget('a'), await startTarget('b')];
  open.balancer = await startBalancer({ host: '127.0.0.1', port: 0 }, targets);
  expect(await ask(4)).toEqual(['a', 'b', 'a', 'b']);
});

test('a target that does not listen is passed over; with none left the connection is closed', async () => {
  const [nobody] = await freePorts(1);
  open.balancer = await startBalancer({ host: '127.0.0.1', port: 0 }, [nobody!, await startTarget('b')]);
  expect(await ask(4)).toEqual(['b', 'b', 'b', 'b']);
  const server = open.servers.pop()!;
  await new Promise((resolve) => server.close(resolve));
  await expect(ask(1)).rejects.toThrow();
});

test('a client that is slow gets the last words of a target that has closed', async () => {
  const own = (process as unknown as { _getActiveHandles(): unknown[] })._getActiveHandles.bind(process);
  const waitsInBalancer = () =>
    own().some((handle) => handle instanceof Socket && handle.localPort === open.balancer!.port && handle.writableLength > 0);
  let sent = 0;
  // Speaks until the way to the client is full, so that what comes next has to wait in the balancer.
  const target = createTcpServer((socket) => {
    const speak = (): void => {
      if (waitsInBalancer()) return void socket.end('adieu');
      sent += 1_000;
      socket.write(Buffer.alloc(1_000), () => setImmediate(speak));
    };
    socket.once('close', () => gone());
    speak();
  });
  let gone = (): void => undefined;
  const closed = new Promise<void>((resolve) => (gone = resolve));
  await new Promise<void>((resolve) => void target.listen(0, '127.0.0.1', resolve));
  open.balancer = await startBalancer({ host: '127.0.0.1', port: 0 }, [(target.address() as { port: number }).port]);
  const client = connect(open.balancer.port, '127.0.0.1').pause();
  await closed;
  target.close();
  const got: Buffer[] = [];
  for await (const bytes of client) got.push(bytes as Buffer);
  const all = Buffer.concat(got);
  expect(all.length).toBe(sent + 'adieu'.length);
  expect(all.subarray(-5).toString()).toBe('adieu');
});

test('a port that is taken is an error', async () => {
  const taken = await startTarget('a');
  await expect(startBalancer({ host: '127.0.0.1', port: taken }, [])).rejects.toThrow(/EADDRINUSE/);
});

test('a port that somebody listens on is refused with the cure, and the ones before it are free again', async () => {
  const [free] = await freePorts(1);
  const taken = await startTarget('a');
  for (const host of ['127.0.0.1', '0.0.0.0'])
    await expect(assertFree([free!, taken], 'choose another', host)).rejects.toThrow(
      `port ${taken} is taken by another program: stop it, or choose another`,
    );
  await assertFree([free!], 'choose another');
});

test('free ports are all different, and none that an outgoing connection could be given meanwhile', async () => {
  const ports = (await Promise.all([freePorts(100), freePorts(100)])).flat();
  expect(new Set(ports).size).toBe(200);
  const outgoing = await readFile('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').catch(() => '32768');
  expect(Math.max(...ports)).toBeLessThan(Number.parseInt(outgoing));
});

test('waiting for a gateway that stands still ends with the signal', async () => {
  let wasAsked = (): void => undefined;
  const asked = new Promise<void>((resolve) => (wasAsked = resolve));
  const still = createServer(() => wasAsked());
  await new Promise<void>((resolve) => void still.listen(0, '127.0.0.1', resolve));
  open.servers.push(still);
  const stop = new AbortController();
  const waiting = waitUntilReady([(still.address() as { port: number }).port], systemClock, stop.signal);
  await asked;
  stop.abort();
  expect(await waiting).toBe(false);
});

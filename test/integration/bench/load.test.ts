import { createServer } from 'node:http';
import type { RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { runLoad } from '../../bench/load.ts';

const stops: (() => void)[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop();
});

async function serve(listener: RequestListener): Promise<number> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  stops.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

const answer = '{"data":{"ok":true}}';
const plan = { connections: 4, tokens: ['a', 'b', 'c'], bodies: ['{"query":"{ ok }"}'], expect: '"ok":true', forMs: 5_000 };

test('every request gets its token in turn, and is counted once', async () => {
  const seen: string[] = [];
  const port = await serve((request, response) => {
    seen.push(request.headers.authorization ?? '');
    response.end(answer);
  });
  const result = await runLoad({ ...plan, port, requestsMax: 30 });
  expect(result).toMatchObject({ answered: 30, failed: 0 });
  expect(seen.filter((value) => value === 'Bearer b')).toHaveLength(10);
});

test('an answer that is not the expected one is a failure, and is shown', async () => {
  let requests = 0;
  const port = await serve((_, response) => {
    response.end(requests++ === 0 ? '{"errors":[{"message":"no"}]}' : answer);
  });
  const result = await runLoad({ ...plan, port, requestsMax: 10 });
  expect(result).toMatchObject({ answered: 9, failed: 1, firstFailure: 'HTTP 200: {"errors":[{"message":"no"}]}' });
});

test('an answer that comes in pieces is put together', async () => {
  const port = await serve((_, response) => {
    response.writeHead(200, { 'content-length': answer.length });
    response.write(answer.slice(0, 7));
    setImmediate(() => response.end(answer.slice(7)));
  });
  expect(await runLoad({ ...plan, port, requestsMax: 8 })).toMatchObject({ answered: 8, failed: 0 });
});

test('in the open loop a server that stands still is charged for every request that it held up', async () => {
  const stallMs = 300;
  let stalledUntil: number | undefined;
  const port = await serve((_, response) => {
    stalledUntil ??= performance.now() + stallMs;
    const wait = stalledUntil - performance.now();
    if (wait > 0) setTimeout(() => response.end(answer), wait);
    else response.end(answer);
  });
  const { answered, latencyMs } = await runLoad({ ...plan, port, connections: 1, forMs: 1_000, ratePerSecond: 200 });
  expect(answered).toBe(200);
  // A closed loop would have seen one slow request of 200; but 60 were due while it lasted.
  expect(latencyMs!.max).toBeGreaterThan(stallMs * 0.9);
  expect(latencyMs!.p90).toBeGreaterThan(stallMs * 0.3);
});

import { createServer } from 'node:net';
import { expect, it } from 'vitest';
import { createManualClock } from '../support/manual-clock.ts';
import { watchLeaks } from '../support/leaks.ts';
import { findNatsServer, isOlder } from '../../src/cli/cluster/nats-server-binary.ts';
import { tempDir } from '../support/temp-dir.ts';
import { eventually } from '../support/wait-for.ts';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

it('waits for a condition and names it when it does not come', async () => {
  let calls = 0;
  expect(await eventually(() => (calls += 1) > 2 && 'there', 'third call')).toBe('there');
  await expect(eventually(() => Promise.reject(new Error('not up')), 'the server is up', 30)).rejects.toThrow(
    'not within 30 ms: the server is up (last: not up)',
  );
});

it('sees a server that was left open', async () => {
  const leaks = watchLeaks();
  await leaks.expectNone();
  const server = createServer();
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  await expect(leaks.expectNone(50)).rejects.toThrow('1 more TCPServerWrap');
  await new Promise((resolve) => server.close(resolve));
  await leaks.expectNone();
});

it('moves a clock by hand: sleepers wake in order, also those who sleep again', async () => {
  const clock = createManualClock(1_000);
  const woken: string[] = [];
  const sleep = async (name: string, ms: number) => {
    await clock.sleep(ms);
    woken.push(`${name} ${clock.now()}`);
  };
  void sleep('b', 20).then(() => sleep('b again', 5));
  void sleep('a', 10);
  await clock.advance(25);
  expect(woken).toEqual(['a 1010', 'b 1020', 'b again 1025']);
  const abort = new AbortController();
  const sleeping = clock.sleep(1_000, abort.signal);
  abort.abort();
  await sleeping;
  expect(clock.sleepers()).toBe(0);
});

it('refuses a nats-server that is too old, is none, or is not the chosen one', async () => {
  expect(isOlder('2.9.10', '2.10.27')).toBe(true);
  expect(isOlder('2.10.26', '2.10.27')).toBe(true);
  expect(isOlder('2.10.27', '2.10.27')).toBe(false);
  expect(isOlder('3.0.0', '2.10.27')).toBe(false);
  const folder = await tempDir('bin');
  const pretend = async (version: string) => {
    await writeFile(join(folder, 'nats-server'), `#!/bin/sh\necho "nats-server: v${version}"\n`);
    await chmod(join(folder, 'nats-server'), 0o755);
    return join(folder, 'nats-server');
  };
  const path = await pretend('2.9.10');
  expect(findNatsServer({ STARLING_NATS_SERVER: path })).toEqual({
    problem: `STARLING_NATS_SERVER=${path} is version 2.9.10, but 2.10.27 or later is needed`,
  });
  await pretend('2.11.0');
  expect(findNatsServer({ PATH: folder })).toEqual({ path });
  expect(findNatsServer({ PATH: folder, STARLING_NATS_SERVER: '/nowhere' })).toEqual({
    problem: 'STARLING_NATS_SERVER=/nowhere does not run as a nats-server',
  });
});

import { expect, onTestFinished, test } from 'vitest';
import { isRunning } from '../support/postgres-of.ts';
import { endOrphans, launchStarling } from '../support/starling-process.ts';
import { tempDir } from '../support/temp-dir.ts';
import { eventually } from '../support/wait-for.ts';

const small = ['--gateways', '1', '--actors', '1', '--projections', '1', '--port', '0', '--nats-port', '0'];

async function startCluster(directory: string) {
  const { child, output, ended } = launchStarling(['cluster', '--data', directory, ...small], {
    NATS_URL: 'nats://127.0.0.1:1',
    STARLING_LOG: 'eventstoredb',
  });
  const pidsOf = () =>
    Object.fromEntries([...output().matchAll(/^([\w-]+) runs with pid (\d+)$/gm)].map(([, name, pid]) => [name!, Number(pid)]));
  onTestFinished(() => {
    child.kill('SIGKILL');
    for (const pid of Object.values(pidsOf())) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It has ended, as it should.
      }
    }
  });
  await eventually(() => output().includes('Ctrl-C stops it.'), 'the cluster is ready', 60_000);
  expect(output()).toContain('not used here, since a cluster brings its own servers: STARLING_LOG, NATS_URL');
  const pids = pidsOf();
  expect(Object.keys(pids).toSorted()).toEqual(['actors-1', 'gateway-1', 'nats-1', 'nats-2', 'nats-3', 'postgresql', 'projections-1']);
  return { child, output, ended, pids };
}

async function runningOf(pids: Readonly<Record<string, number>>): Promise<string[]> {
  const found = await Promise.all(Object.entries(pids).map(async ([name, pid]) => ((await isRunning(pid)) ? [name] : [])));
  return found.flat();
}

test(
  'Ctrl-C ends all that a cluster has started, a second one at once, and after kill -9 the next start does',
  { timeout: 180_000 },
  async () => {
    const directory = await tempDir('cluster');
    onTestFinished(() => endOrphans(directory));
    const first = await startCluster(directory);
    process.kill(first.pids['actors-1']!, 'SIGSTOP');
    first.child.kill('SIGINT');
    await eventually(() => first.output().includes('The cluster stops'), 'it stops');
    await eventually(
      () => {
        first.child.kill('SIGINT');
        return first.output().includes('stopped by force');
      },
      'it is told again',
      10_000,
      200,
    );
    expect(await first.ended).toBe(130);
    // PostgreSQL goes on where it was: the next start takes it over.
    await eventually(async () => (await runningOf(first.pids)).every((name) => name === 'postgresql'), 'the processes are gone');

    const second = await startCluster(directory);
    second.child.kill('SIGKILL');
    await second.ended;

    const third = await startCluster(directory);
    expect(await runningOf(second.pids)).toEqual([]);
    third.child.kill('SIGINT');
    expect(await third.ended, third.output()).toBe(0);
    expect(await runningOf(third.pids)).toEqual([]);
  },
);

import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { openLmdbLog } from '../../src/events/lmdb-log.ts';
import { openDataDirectory } from '../../src/data-directory.ts';
import { silentLogger } from '../../src/logger.ts';
import { systemRandom } from '../../src/random.ts';
import { gql } from '../support/graphql-client.ts';
import { endOrphans, launchStarling, runStarling, startStarling } from '../support/starling-process.ts';
import { tempDir } from '../support/temp-dir.ts';
import { eventually } from '../support/wait-for.ts';
import { readWholeLog } from '../support/whole-log.ts';
import { createWriter, handleOf } from '../integration/projections/writer.ts';

const users = 500;
const postsEach = 80;

/** A data directory with a log that takes a copy some time. */
async function makeSource(path: string): Promise<void> {
  const directory = await openDataDirectory(path);
  const log = await openLmdbLog({ directory: directory.inside('log'), random: systemRandom, logger: silentLogger });
  const writer = createWriter(log);
  for (let post = 0; post <= postsEach; post += 1) {
    const all: Promise<unknown>[] = [];
    for (let user = 0; user < users; user += 1) all.push(post === 0 ? writer.register(user) : writer.post(user, user * postsEach + post));
    await Promise.all(all);
  }
  await log.close();
  await directory.release();
}

test('a copy that was killed is refused by a node, goes on, is complete and equal, and is a system', async () => {
  const folder = await tempDir('copy');
  const [from, to] = [join(folder, 'from'), join(folder, 'to')];
  await makeSource(from);
  const commits = users * (postsEach + 1);
  const copy = (...more: string[]) => runStarling(['log', 'copy', from, `lmdb:${to}`, ...more]);

  const { child, ended } = launchStarling(['log', 'copy', from, to]);
  // Larger than what one transaction adds: so the first has ended.
  const begun = async () => (await stat(join(to, 'log', 'log.mdb'))).size > 2 * 1024 * 1024;
  await eventually(begun, 'some of it is copied', 30_000, 1);
  child.kill('SIGKILL');
  expect(await ended).toBe('SIGKILL');

  const refused = await runStarling(['start', '--data', to, '--port', '0']);
  expect(refused).toMatchObject({ exitCode: 1, output: expect.stringContaining('run the same "starling log copy" once more') });
  const resumed = await copy('--verify');
  expect(resumed).toMatchObject({
    exitCode: 0,
    output: expect.stringContaining(
      `Compared ${commits.toLocaleString('en-US')} commits with ${commits.toLocaleString('en-US')} events: all are equal`,
    ),
  });
  const copied = Number(/Copied ([\d,]+) commits/.exec(resumed.output)?.[1]?.replaceAll(',', ''));
  expect(copied).toBeGreaterThan(0);
  expect(copied).toBeLessThan(commits);
  expect(await copy()).toMatchObject({
    exitCode: 0,
    output: expect.stringContaining(`Complete: all ${commits.toLocaleString('en-US')} commits are there`),
  });

  const node = await startStarling({ dataDirectory: to });
  onTestFinished(async () => {
    await node.stop();
    await endOrphans(to);
  });
  await eventually(async () => (await fetch(`${node.url}/readyz`)).status === 200, 'the read models are built', 60_000);
  expect(
    await eventually(
      async () => {
        const { user } = await gql(node.url, `{ user(handle: "${handleOf(3)}") { postCount } }`);
        return user?.postCount === postsEach && user;
      },
      'all posts are there',
      30_000,
    ),
  ).toEqual({ postCount: postsEach });
  // Taken: only a look is allowed, and it sees what has come since.
  expect(await copy()).toMatchObject({ exitCode: 1, output: expect.stringContaining('is in use by another process') });
  expect(await copy('--verify-only')).toMatchObject({
    exitCode: 0,
    output: expect.stringMatching(/all are equal[\s\S]*TO has 1 commits more/),
  });
  expect((await readWholeLog(to)).id).toBe((await readWholeLog(from)).id);
});

test('a copy of what is lost, or onto something else, says so', async () => {
  const folder = await tempDir('copy');
  const [from, to] = [join(folder, 'from'), join(folder, 'to')];
  const directory = await openDataDirectory(from);
  const log = await openLmdbLog({ directory: directory.inside('log'), random: systemRandom, logger: silentLogger });
  const writer = createWriter(log);
  await writer.register(1);
  expect(await runStarling(['log', 'copy', from, to, '--verify'])).toMatchObject({ exitCode: 0 });
  await writer.post(1, 1);
  expect(await runStarling(['log', 'copy', from, to, '--verify-only'])).toMatchObject({
    exitCode: 1,
    output: expect.stringMatching(/0 DIFFER, 1 are missing in TO. The first: commit 2 \(user-[-0-9a-f]+, version 1\): missing in TO/),
  });
  await log.close();
  await directory.release();
  for (const [args, message] of [
    [['copy', from, from], 'FROM and TO are the same log'],
    [['move', from, to], 'a log can be copied'],
    [['copy', `kafka:${from}`, to], '"kafka:" is no event log'],
    [['copy', from], 'TO is missing'],
  ] as const)
    expect(await runStarling(['log', ...args])).toMatchObject({ exitCode: 2, output: expect.stringContaining(message) });
  expect(await runStarling(['log', 'copy', join(folder, 'dota'), to])).toMatchObject({
    exitCode: 1,
    output: expect.stringContaining('there is no data directory of Starling'),
  });
});

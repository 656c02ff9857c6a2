import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { silentLogger } from '../../src/logger.ts';
import { openDatabase } from '../../src/projections/postgres-database.ts';
import { readLines } from '../bench/input.ts';
import { makeFreshData } from '../support/fresh-data.ts';
import { writeClientRecords } from '../support/client-records.ts';
import { testData } from '../support/data.ts';
import { startLoad } from '../support/load.ts';
import { endOrphans, runStarling, startStarling } from '../support/starling-process.ts';
import { tempDir } from '../support/temp-dir.ts';
import { eventually } from '../support/wait-for.ts';

interface Verified {
  readonly sound: boolean;
  readonly looked: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly faults: readonly { readonly kind: string; readonly count: number; readonly examples: readonly string[] }[];
}

/** A part of the data, as files to import. */
async function partOfData(folder: string) {
  const input = await testData(folder);
  const part = { follows: join(folder, 'part.tsv'), posts: join(folder, 'part.txt') };
  await writeFile(part.follows, (await readLines(input.follows)).slice(0, 3_001).join('\n'));
  await writeFile(part.posts, (await readLines(input.posts)).slice(0, 1_500).join('\n'));
  return part;
}

test('verify finds nothing in a sound system, running and stopped, and what was done to it', async () => {
  const folder = await tempDir('verify');
  const data = await makeFreshData(join(folder, 'data'));
  await mkdir(join(folder, 'input'));
  const { follows, posts } = await partOfData(join(folder, 'input'));
  const start = async () => {
    const started = await startStarling({ dataDirectory: data });
    onTestFinished(async () => {
      await started.stop();
      await endOrphans(data);
    });
    return started;
  };
  const node = await start();
  expect(await runStarling(['import', '--data', data, '--follows', follows, '--posts', posts])).toMatchObject({ exitCode: 0 });
  const load = startLoad({ url: node.url, seed: 1, clients: 12, subscribers: 6, commandsPerSecond: 40, cuts: true });
  onTestFinished(() => load.close());
  const verify = async (...more: string[]) => {
    const { exitCode, output } = await runStarling(['verify', '--data', data, '--log-level', 'error', '--json', ...more], {
      timeoutMs: 100_000,
    });
    const report = /^\{[\s\S]*^\}/m.exec(output)?.[0];
    if (report === undefined) throw new Error(output);
    const { sound, looked, faults } = JSON.parse(report) as Verified;
    return { exitCode, sound, looked, found: faults.filter(({ count }) => count > 0) };
  };

  // While it works.
  await eventually(() => load.answered() > 60, 'some commands are answered', 60_000);
  expect(await verify('--users', '20')).toMatchObject({ exitCode: 0, sound: true, found: [] });
  await eventually(() => load.answered() > 200, 'more commands are answered', 60_000);
  await load.finish();
  const records = await writeClientRecords([load], folder);
  await load.close();
  const clients = ['--acknowledged', records.acknowledged, '--pushes', records.pushes];
  const running = await verify(...clients, '--users', '50');
  expect(running).toMatchObject({ exitCode: 0, sound: true, found: [] });
  expect(running.looked).toMatchObject({ pushes: { subscribers: 6 }, 'home timelines': { users: 50 } });
  expect(running.looked['acknowledged commands']!['accepted']).toBeGreaterThan(100);
  expect(running.looked['pushes']!['pushes']).toBeGreaterThan(50);

  // What was not told so, or did not come.
  const answers = (await readFile(records.acknowledged, 'utf8')).replace('"commandId":"', '"commandId":"never-');
  await writeFile(records.acknowledged, answers);
  const lines = (await readFile(records.pushes, 'utf8')).split('\n');
  // Its last post, for which it waited, is its own: nothing can have excused it.
  const last = lines.findLastIndex((line) => line.includes('"pushed"'));
  await writeFile(records.pushes, lines.toSpliced(last, 1).join('\n'));
  expect(await verify(...clients, '--users', '0')).toMatchObject({
    exitCode: 1,
    found: [
      { kind: 'acknowledgedMissing', count: 1 },
      { kind: 'pushesLost', count: 1 },
    ],
  });

  const database = await openDatabase(
    { host: join(data, 'postgres', 'socket'), user: 'starling', database: 'postgres' },
    { logger: silentLogger },
  );
  const deleteOne = 'delete from network.posts where place = (select min(place) from network.posts)';
  await database.query({ text: deleteOne }).finally(() => database.close());
  await node.stop();
  // Nothing runs: it starts what it needs, and leaves nothing behind.
  const stopped = await verify('--users', '100000');
  expect(stopped).toMatchObject({ exitCode: 1, sound: false });
  expect(stopped.found.map(({ kind }) => kind)).toEqual(['posts', 'entriesMissing']);
  expect((await runStarling(['verify', '--data', data])).output).toMatch(
    /posts missing, wrong or too many +1\n[\s\S]*: missing\n[\s\S]*NOT SOUND/,
  );
  const again = await start();
  expect((await fetch(`${again.url}/healthz`)).status).toBe(200);
});

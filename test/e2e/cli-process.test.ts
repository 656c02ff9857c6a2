import { readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { freshData } from '../support/fresh-data.ts';
import { gql, register } from '../support/graphql-client.ts';
import type { StarlingOptions, StarlingProcess } from '../support/starling-process.ts';
import { endOrphans, runStarling, startStarling } from '../support/starling-process.ts';
import { makeTempDir, tempDir } from '../support/temp-dir.ts';
import { eventually } from '../support/wait-for.ts';

const count = '{ statistics { amount } publicTimeline(first: 1) { edges { node { id } } } }';

async function start(options: StarlingOptions): Promise<StarlingProcess> {
  const node = await startStarling(options);
  onTestFinished(async () => {
    await node.stop();
    await endOrphans(options.dataDirectory);
  });
  return node;
}

describe('the command line', () => {
  test.each(['start', 'import', 'replay', 'backup', 'restore', 'status', 'actors', 'cluster'])('explains %s', async (command) => {
    const asked = await runStarling([command, '--help']);
    expect(asked).toMatchObject({ exitCode: 0, output: expect.stringContaining(`Usage: starling ${command}`) });
    expect((await runStarling(['help', command])).output).toBe(asked.output);
  });

  test.each([
    [['--version'], 0, /^starling \d+\.\d+\.\d+\n$/],
    [['--help'], 0, /Usage: starling COMMAND/],
    [[], 2, /Usage: starling COMMAND/],
    [['strat'], 2, /there is no command "strat"; did you mean start\?\nSee: starling --help/],
    [['--port', '1'], 2, /the command comes first, then --port: starling start --port/],
    [['start', '--prt', '1'], 2, /unknown option --prt; did you mean --port\?\nSee: starling start --help/],
    [['start', '--port', 'x'], 2, /--port: "x" is not a port/],
    [['replay', 'netwrok'], 2, /there is no projection "netwrok"; did you mean network\?/],
    [['replay', '--rollback', '--force'], 2, /do not go together/],
    [['import'], 2, /--follows FILE is needed/],
    [['import', '--follows', 'x', '--password', 'short'], 2, /--password: 8 to 256 characters are wanted/],
    [['import', '--follows', 'x', '--in-flight', '0'], 2, /--in-flight: "0" is not a whole number from 1 to 1024/],
    [['backup'], 2, /FILE is missing/],
    [['status', '--data', '/nowhere/at/all'], 1, /no Starling runs on \/nowhere\/at\/all/],
    [['start', '--data', '/dev/null/x'], 1, /cannot be used: it is not a directory/],
    [['start', '--data', '/proc/x'], 1, /cannot be used: it cannot be made there/],
  ])('answers %j with %i', async (args, exitCode, output) => {
    expect(await runStarling(args)).toMatchObject({ exitCode, output: expect.stringMatching(output) });
  });
});

describe('a running Starling', () => {
  test('tells where to go, shares its directory and its port with nobody, and stops cleanly', async () => {
    const dataDirectory = join(await tempDir('cli'), 'data');
    const node = await start({ dataDirectory, args: ['--demo'] });
    for (const part of [
      'GraphiQL',
      '/healthz',
      '/readyz',
      '/metrics',
      'Log in as any of them, such as "ama", with the password "murmuration"',
    ]) {
      // It comes line by line.
      await eventually(() => node.output().includes(part), `it says ${part}`);
    }
    const { login } = await gql(
      node.url,
      'mutation { login(input: { handle: "ama", password: "murmuration" }) { token userErrors { code } } }',
    );
    expect(login).toEqual({ token: expect.any(String), userErrors: [] });
    // The first steps of the page work among them too.
    const [firstSteps] = /mutation Register \{[\s\S]*?\n\}/.exec(await (await fetch(node.url)).text())!;
    expect((await gql(node.url, firstSteps)).register).toMatchObject({ token: expect.any(String), userErrors: [] });

    const status = JSON.parse((await runStarling(['status', '--json', '--data', dataDirectory])).output) as Record<string, unknown>;
    expect(status).toMatchObject({
      running: true,
      healthy: true,
      node: { pid: node.pid, roles: ['gateway', 'actors', 'projections'] },
      gateway: { url: node.url },
    });

    const second = await runStarling(['start', '--data', dataDirectory, '--port', '0']);
    expect(second).toMatchObject({
      exitCode: 1,
      output: expect.stringContaining(`${dataDirectory} is in use by another process (pid ${node.pid})`),
    });

    const other = await makeTempDir('other');
    const taken = await runStarling(['start', '--data', other.path, '--port', new URL(node.url).port]);
    expect(taken).toMatchObject({
      exitCode: 1,
      output: expect.stringMatching(/Port \d+ of 127\.0\.0\.1 is taken by another program\. Choose another port/),
    });
    // Nothing was begun that would be in the log for ever, such as a run.
    expect(await readdir(other.path)).not.toContain('log');
    await other.remove();

    expect(await node.stop('SIGINT')).toBe(0);
    expect(await readdir(join(dataDirectory, 'postgres', 'cluster'))).not.toContain('postmaster.pid');
    expect(await runStarling(['status', '--json', '--data', dataDirectory])).toEqual({
      exitCode: 1,
      output: '{"running":false,"starting":false,"healthy":false}\n',
    });

    const again = await start({ dataDirectory, args: ['--demo'] });
    await eventually(() => again.output().includes('30 people live here, and go on'), 'it says so');
    const { statistics } = await gql(again.url, count);
    await eventually(async () => (await gql(again.url, count)).statistics.amount > statistics.amount, 'somebody does something', 20_000);
    expect(await again.stop('SIGTERM')).toBe(0);
  });

  test('lets nobody of the demo into a system of others, also if one of them has a name of the demo', async () => {
    const dataDirectory = await freshData('cli');
    const node = await start({ dataDirectory });
    await register(node.url, 'ama');
    expect(await node.stop()).toBe(0);
    const again = await start({ dataDirectory, args: ['--demo'] });
    await eventually(() => again.output().includes('Other people live in this system: --demo leaves it as it is'), 'it says so');
    expect((await gql(again.url, '{ user(handle: "bruno") { id } }')).user).toBeNull();
    expect(await again.stop()).toBe(0);
  });

  test('starts at once after kill -9, with the lock, the socket and the PostgreSQL that were left behind', async () => {
    const dataDirectory = await freshData('cli');
    const node = await start({ dataDirectory, args: ['--demo'] });
    const before = await gql(node.url, count);
    await node.kill();
    const left = (await readdir(dataDirectory)).filter((name) => name.startsWith('lock.') || name === 'control.sock');
    expect(left).toHaveLength(2);
    expect(await readdir(join(dataDirectory, 'postgres', 'cluster'))).toContain('postmaster.pid');
    expect((await runStarling(['status', '--data', dataDirectory])).exitCode).toBe(1);

    const again = await start({ dataDirectory });
    const after = await gql(again.url, count);
    expect(after.statistics.amount).toBeGreaterThanOrEqual(before.statistics.amount);
    expect(await again.stop()).toBe(0);
  });

  test('refuses a data directory of a newer format, and one that is not its own', async () => {
    const dataDirectory = await tempDir('cli');
    await writeFile(join(dataDirectory, 'version'), '3\n');
    expect(await runStarling(['start', '--data', dataDirectory, '--port', '0'])).toMatchObject({
      exitCode: 1,
      output: expect.stringContaining('start it with the newer Starling that wrote it'),
    });
    await writeFile(join(dataDirectory, 'version'), 'mine');
    expect(await runStarling(['start', '--data', dataDirectory, '--port', '0'])).toMatchObject({
      exitCode: 1,
      output: expect.stringContaining('is damaged'),
    });
    expect(await readFile(join(dataDirectory, 'version'), 'utf8')).toBe('mine');
  });

  test.each([
    ['NATS_URL', 'nats://me:secret@127.0.0.1:1', /NATS does not answer at nats:\/\/127\.0\.0\.1:1/],
    [
      'DATABASE_URL',
      'postgresql://me:secret@127.0.0.1:1/x',
      /DATABASE_URL: PostgreSQL is not available \(ECONNREFUSED\): start that server/,
    ],
  ])('names %s when nobody answers there, without its password', async (name, url, message) => {
    const dataDirectory = join(await tempDir('cli'), 'data');
    const finished = await runStarling(['start', '--data', dataDirectory, '--port', '0'], { env: { [name]: url } });
    expect(finished).toMatchObject({ exitCode: 1, output: expect.stringMatching(message) });
    expect(finished.output).not.toContain('secret');
  });
});

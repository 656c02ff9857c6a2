import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { openJetStreamLog } from '../../src/events/jetstream-log.ts';
import { silentLogger } from '../../src/logger.ts';
import { systemRandom } from '../../src/random.ts';
import { startNatsServer } from '../support/nats-server.ts';
import { startTestPostgres } from '../support/postgres.ts';
import { tempDir } from '../support/temp-dir.ts';
import { runStarling } from '../support/starling-process.ts';

const nats = { NATS_URL: 'nats://127.0.0.1:4' };
const database = { DATABASE_URL: 'postgresql:///x?host=/nowhere' };

// A node that started anyway would be a system of its own, which nobody finds.
test.each([
  ['gateway', {}, 'a node with gateway alone needs NATS_URL, over which it finds the others'],
  ['actors,projections', nats, 'needs an event log that others reach: --log jetstream, or eventstoredb'],
  ['gateway', { ...nats, STARLING_LOG: 'jetstream' }, 'needs DATABASE_URL, the PostgreSQL that all share'],
  ['actors,cook', {}, '--roles: "cook" is not a role: gateway, actors, projections are, with commas between'],
  ['actors', { STARLING_LOG: 'jetstream' }, 'STARLING_LOG: jetstream needs NATS_URL, the address of its servers'],
  [
    'actors',
    { ...nats, ...database, STARLING_LOG: 'kafka' },
    'STARLING_LOG: "kafka" is not an event log: lmdb, jetstream, eventstoredb are',
  ],
  ['actors', { ...nats, STARLING_LOG: 'eventstoredb' }, 'STARLING_LOG: eventstoredb needs EVENTSTOREDB_URL'],
  [
    'actors',
    { ...nats, STARLING_LOG: 'jetstream', STARLING_LOG_REPLICAS: '2' },
    'STARLING_LOG_REPLICAS: "2" is not a number of copies: 1, 3 or 5 are',
  ],
])('half a system that could not find the rest is refused: %s', async (roles, env, message) => {
  const { exitCode, output } = await runStarling(['start', '--roles', roles, '--data', await tempDir('roles')], { env });
  expect(output).toContain(message);
  expect(exitCode).toBe(2);
});

test('an actor node needs nothing but NATS, and says what is wrong with it', async () => {
  const none = await runStarling(['actors']);
  expect(none).toMatchObject({ exitCode: 2, output: expect.stringContaining('NATS_URL: is needed: the address of the NATS servers') });
  const gone = await runStarling(['actors'], { env: nats });
  expect(gone).toMatchObject({ exitCode: 1, output: expect.stringContaining('127.0.0.1:4') });
});

test.each([['replay'], ['backup', 'b.tar.gz']])(
  'where the log is on servers, %s asks for no data directory on this machine',
  async (...command) => {
    const data = join(await tempDir('roles'), 'none');
    const env = { ...nats, ...database, STARLING_LOG: 'jetstream', STARLING_DATA: data };
    expect(await runStarling(command, { env })).toMatchObject({ exitCode: 1, output: expect.stringContaining('NATS does not answer') });
  },
);

test('status looks at the cluster that NATS_URL names, unless a data directory is given', async () => {
  expect(await runStarling(['status'], { env: nats })).toMatchObject({
    exitCode: 1,
    output: expect.stringContaining('NATS does not answer'),
  });
  const data = join(await tempDir('roles'), 'none');
  expect(await runStarling(['status', '--data', data], { env: nats })).toMatchObject({
    exitCode: 1,
    output: expect.stringContaining(`no Starling runs on ${data}`),
  });
  const server = await startNatsServer({ jetStream: true });
  onTestFinished(() => server.remove());
  const log = await openJetStreamLog({
    servers: [server.url],
    space: 'starling',
    replicas: 1,
    name: 'test',
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
  });
  await log.close();
  const { exitCode, output } = await runStarling(['status'], { env: { NATS_URL: server.url } });
  expect(output).toMatch(/0 commits[\s\S]*0 of 256 are served[\s\S]*no node is heard[\s\S]*DATABASE_URL does not say[\s\S]*NOT WELL/);
  expect(exitCode).toBe(1);

  const postgres = await startTestPostgres();
  onTestFinished(() => postgres.stop());
  const { target } = await postgres.createDatabase();
  const url = `postgresql:///${target.database}?user=${target.user}&host=${encodeURIComponent(target.host)}`;
  const untouched = await runStarling(['status'], { env: { NATS_URL: server.url, DATABASE_URL: url } });
  expect(untouched.output).toMatch(/network +up to date, 0 events\/s, applied by nobody[\s\S]*NOT WELL/);
  expect(untouched.exitCode).toBe(1);
});

import { expect, test } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { LogCorrupt } from '../../../src/events/event-log.ts';
import type { EventLog } from '../../../src/events/event-log.ts';
import { silentLogger } from '../../../src/logger.ts';
import type { Logger } from '../../../src/logger.ts';
import { createMetrics } from '../../../src/metrics.ts';
import type { Database } from '../../../src/projections/database.ts';
import { networkProjection } from '../../../src/projections/network/projection.ts';
import type { Projection } from '../../../src/projections/projection.ts';
import { replay } from '../../../src/projections/replay/replay.ts';
import { startProjection } from '../../../src/projections/runner.ts';
import { readProjectionStatuses } from '../../../src/projections/statuses.ts';
import { openReadSide } from '../../../src/read-side.ts';
import { createShutdownStack } from '../../../src/shutdown-stack.ts';
import { newNodeId } from '../../support/node-id.ts';
import { eventually } from '../../support/wait-for.ts';
import { usePostgres } from './setup.ts';
import { createWriter } from './writer.ts';

const postgres = usePostgres();
const common = { clock: systemClock, logger: silentLogger, metrics: createMetrics() };

/** The same database for a process that is stopped, at once after the transaction in which it has taken a lease, until it is let go on. */
function stoppedAfterItsLease(database: Database) {
  let goOn = () => {};
  const going = new Promise<void>((resolve) => (goOn = resolve));
  let transactions = 0;
  const whenRunning = async () => (transactions < 2 ? undefined : going);
  const own: Database = {
    ...database,
    async query(query) {
      await whenRunning();
      return database.query(query);
    },
    async transaction(options, work) {
      await whenRunning();
      const result = await database.transaction(options, work);
      transactions += 1;
      return result;
    },
  };
  return { own, goOn };
}

async function start(
  projection: Projection,
  log: EventLog,
  database: Database,
  nodeId = newNodeId(),
  isCutOff = () => false,
  logger = silentLogger,
) {
  const running = await startProjection({ ...common, projection, nodeId, log, database, isCutOff, logger });
  postgres.cleanUp(() => running.stop());
  return running;
}

const statusOf = async (database: Database, log: EventLog) => (await readProjectionStatuses(database, log))[0]!;

test('a node that only runs jobs takes rows of another version, since the cure of those is a replay', async () => {
  const writer = createWriter();
  const { database, target } = await postgres.createDatabaseAt();
  await (await start({ ...networkProjection, version: 99 }, writer.log, database)).stop();
  const stack = createShutdownStack(silentLogger);
  postgres.cleanUp(() => stack.stop());
  const ports = { ...common, nodeId: newNodeId(), log: writer.log, onApplied: () => undefined, isCutOff: () => false };
  expect((await openReadSide(target, { ...ports, roles: [] }, stack)).projections).toEqual([]);
  await expect(openReadSide(target, { ...ports, roles: ['projections'] }, stack)).rejects.toMatchObject({ code: 'PROJECTION_OUTDATED' });
});

test('a node that PostgreSQL refuses says so of DATABASE_URL, with the cure', async () => {
  const { database, target } = await postgres.createDatabaseAt();
  await database.query({ text: 'create role guest login' });
  const stack = createShutdownStack(silentLogger);
  postgres.cleanUp(() => stack.stop());
  const { log } = createWriter();
  const ports = { ...common, roles: ['gateway'] as const, nodeId: newNodeId(), log, onApplied: () => undefined, isCutOff: () => false };
  const open = (user: string, name: string) =>
    openReadSide({ url: `postgresql:///${name}?user=${user}&host=${encodeURIComponent(target.host)}` }, ports, stack);
  const cure = 'correct the address, or let that role create schemas in that database';
  await expect(open('starling', 'nowhere')).rejects.toThrow(`DATABASE_URL: database "nowhere" does not exist: ${cure}`);
  await expect(open('nobody', target.database)).rejects.toThrow(`DATABASE_URL: role "nobody" does not exist: ${cure}`);
  await expect(open('guest', target.database)).rejects.toThrow(/^DATABASE_URL: permission denied for .*: correct the address, or let/);
});

test('a node whose code no longer fits the rows leaves them to one whose code does', async () => {
  const writer = createWriter();
  const database = await postgres.createDatabase();
  const old = await start(networkProjection, writer.log, database);
  await writer.register(1);
  await eventually(async () => (await old.status()).position?.commit === 1, 'the old one has applied it');
  const newer: Projection = { ...networkProjection, version: 4 };
  await replay({ ...common, projections: [newer], log: writer.log, database });
  await start(newer, writer.log, database, 'newer');
  await writer.post(1, 1);
  await eventually(async () => (await statusOf(database, writer.log)).position?.commit === 2, 'the newer one goes on');
  expect(await statusOf(database, writer.log)).toMatchObject({ heldBy: 'newer', stoppedBy: null });
  await eventually(async () => (await old.status()).standingBy, 'the old one stands by');
});

test('a node that was stopped after it had taken the lease does not fence the one that leads now', async () => {
  const writer = createWriter();
  const database = await postgres.createDatabase();
  const { own, goOn } = stoppedAfterItsLease(database);
  const starting = start(networkProjection, writer.log, own, 'stopped');
  await eventually(async () => (await statusOf(database, writer.log)).heldBy === 'stopped', 'it has the lease');
  const leading = await start(networkProjection, writer.log, database, 'leading');
  await eventually(async () => !(await leading.status()).standingBy, 'another one leads');
  await writer.register(1);
  await eventually(async () => (await leading.status()).position?.commit === 1, 'it has applied all');
  const epoch = async () =>
    (await database.query({ text: 'select epoch from starling.checkpoints where projection = $1', values: ['network'] }))[0];
  const before = await epoch();
  goOn();
  const stopped = await starting;
  await eventually(async () => (await stopped.status()).standingBy, 'the one that was stopped stands by');
  expect(await epoch()).toEqual(before);
  expect(await statusOf(database, writer.log)).toMatchObject({ heldBy: 'leading', position: { commit: 1 } });
});

test('a node that does not hear the others leaves its projections to one that does, and takes none', async () => {
  const writer = createWriter();
  const database = await postgres.createDatabase();
  let cutOff = false;
  const first = await start(networkProjection, writer.log, database, 'first', () => cutOff);
  const second = await start(networkProjection, writer.log, database, 'second');
  await eventually(async () => (await second.status()).standingBy, 'the second one stands by');
  cutOff = true;
  await eventually(async () => (await statusOf(database, writer.log)).heldBy === 'second', 'the second one takes over');
  await writer.register(1);
  await eventually(async () => (await statusOf(database, writer.log)).position?.commit === 1, 'it applies what comes');
  await second.stop();
  await writer.post(1, 1);
  expect((await first.status()).standingBy).toBe(true);
  cutOff = false;
  await eventually(async () => (await first.status()).position?.commit === 2, 'the first one goes on when it hears again');
});

test('an event that cannot be decoded is named to all nodes, also where the lag has to be counted in the log', async () => {
  const writer = createWriter();
  await writer.register(1);
  const bad = await writer.post(1, 1);
  const damaged: EventLog = {
    ...writer.log,
    dense: false,
    async *subscribe(after, signal) {
      for await (const batch of writer.log.subscribe(after, signal)) {
        const sound = batch.filter(({ commit }) => commit < bad.commit);
        if (sound.length > 0) yield sound;
        if (sound.length < batch.length) throw new LogCorrupt(`commit ${bad.commit} cannot be decoded`);
      }
    },
  };
  const database = await postgres.createDatabase();
  await start(networkProjection, damaged, database, 'one');
  await eventually(async () => (await statusOf(database, damaged)).stoppedBy !== null, 'the projection has stopped');
  expect(await statusOf(database, damaged)).toMatchObject({
    heldBy: 'one',
    stoppedBy: `commit ${bad.commit} cannot be decoded`,
    position: { commit: 1 },
    lagEvents: 1,
  });
});

test('a stopped projection says stream and type, and goes on when sound rows are swapped in', async () => {
  const writer = createWriter();
  await writer.register(1);
  const database = await postgres.createDatabase();
  const running = await start(networkProjection, writer.log, database);
  await eventually(async () => (await running.status()).position?.commit === 1, 'it has applied what there is');
  await database.query({ text: 'alter table network.posts add constraint damage check (false)' });
  const poison = await writer.post(1, 1);
  await eventually(async () => (await statusOf(database, writer.log)).stoppedBy !== null, 'the projection has stopped');
  expect((await statusOf(database, writer.log)).stoppedBy).toBe(
    `commit ${poison.commit} of user-${writer.userId(1)} (PostCreated): new row for relation "posts" violates check constraint "damage"`,
  );
  await replay({ ...common, projections: [networkProjection], log: writer.log, database });
  await eventually(async () => (await statusOf(database, writer.log)).position?.commit === poison.commit, 'it goes on');
  await eventually(async () => (await statusOf(database, writer.log)).stoppedBy === null, 'it has told so');
});

test('a table of leases that is away ends nothing: the projection goes on when it is back', async () => {
  const writer = createWriter();
  const database = await postgres.createDatabase();
  const warnings: string[] = [];
  const logger: Logger = { ...silentLogger, child: () => logger, warn: (_, message) => void warnings.push(message) };
  await start(networkProjection, writer.log, database, 'one');
  const standby = await start(networkProjection, writer.log, database, 'two', () => false, logger);
  await database.query({ text: 'alter table starling.leases rename to elsewhere' });
  expect(await standby.status()).toMatchObject({ standingBy: true, position: null });
  const [before] = await database.query<{ expires_at: Date }>({ text: 'select expires_at from starling.elsewhere' });
  await eventually(async () => {
    const [now] = await database.query<{ past: boolean }>({
      text: 'select clock_timestamp() > expires_at as past from starling.elsewhere',
    });
    return now!.past;
  }, 'some renewals have failed');
  expect(before).toBeDefined();
  expect(warnings, 'it is said once, not with every try').toEqual(['waiting for the database']);
  await database.query({ text: 'alter table starling.elsewhere rename to leases' });
  await writer.register(1);
  await eventually(async () => (await statusOf(database, writer.log)).position?.commit === 1, 'it goes on');
});

test('a replay shows as rebuilding to all nodes, whichever runs it', async () => {
  const writer = createWriter();
  await writer.register(1);
  const database = await postgres.createDatabase();
  const holder = await start(networkProjection, writer.log, database);
  await eventually(async () => (await holder.status()).position?.commit === 1, 'it has applied all');
  const seen: Promise<boolean>[] = [];
  await replay({
    ...common,
    projections: [
      {
        ...networkProjection,
        startLoad: (schema) => {
          const loader = networkProjection.startLoad(schema);
          return {
            ...loader,
            take() {
              const write = loader.take();
              return async (session) => {
                seen.push(statusOf(database, writer.log).then(({ rebuilding }) => rebuilding));
                await seen[0];
                await write(session);
              };
            },
          };
        },
      },
    ],
    log: writer.log,
    database,
  });
  expect(await seen[0]).toBe(true);
  expect(await statusOf(database, writer.log)).toMatchObject({ rebuilding: false });
});

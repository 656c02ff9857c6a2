import { newNodeId } from '../../support/node-id.ts';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import type { EventLog } from '../../../src/events/event-log.ts';
import { createMemoryLog } from '../../../src/events/memory-log.ts';
import { silentLogger } from '../../../src/logger.ts';
import { createMetrics } from '../../../src/metrics.ts';
import { claim } from '../../../src/projections/checkpoints.ts';
import { createCaughtUp } from '../../../src/projections/caught-up.ts';
import { createReadModel } from '../../../src/projections/create-read-model.ts';
import type { Database } from '../../../src/projections/database.ts';
import { watchDatabase } from '../../../src/projections/database-watch.ts';
import { networkProjection } from '../../../src/projections/network/projection.ts';
import type { Projection } from '../../../src/projections/projection.ts';
import { startProjection } from '../../../src/projections/runner.ts';
import { seededRandom } from '../../../src/random.ts';
import { eventually } from '../../support/wait-for.ts';
import { bothProjections, usePostgres } from './setup.ts';
import { createWriter, postIdOf } from './writer.ts';

const postgres = usePostgres();

const start = async (projection: Projection, log: EventLog, database: Database) => {
  const running = await startProjection({
    nodeId: newNodeId(),
    projection,
    log,
    database,
    clock: systemClock,
    logger: silentLogger,
    metrics: createMetrics(),
  });
  postgres.cleanUp(() => running.stop());
  return running;
};

describe('a projection', () => {
  it('shows a single post within milliseconds', async () => {
    const writer = createWriter();
    const { reach, readModel } = await postgres.project(writer.log, [networkProjection]);
    await reach(await writer.register(1));
    const took: number[] = [];
    for (let post = 1; post <= 40; post += 1) {
      const before = performance.now();
      await reach(await writer.post(1, post));
      took.push(performance.now() - before);
    }
    expect((await readModel.usersById([writer.userId(1)]))[0]).toMatchObject({ postCount: 40 });
    // Some 4 ms on a machine with eight other things to do; the bound is for one that is busier still.
    expect(took.toSorted((a, b) => a - b)[20]).toBeLessThan(50);
  });

  it('is seen to have caught up by other processes nearly as soon as by its own', async () => {
    const writer = createWriter();
    const { caughtUp, readModel, database } = await postgres.project(writer.log, [networkProjection]);
    // As a gateway has it that runs no projections: nobody tells it anything, it has to ask.
    const elsewhere = createCaughtUp({ readModel: createReadModel(database, writer.log.id), clock: systemClock });
    postgres.cleanUp(async () => elsewhere.close());
    await writer.register(1);
    const medianMs = async (waiting: typeof caughtUp, firstPost: number) => {
      const took: number[] = [];
      for (let post = firstPost; post < firstPost + 40; post += 1) {
        const position = await writer.post(1, post);
        const before = performance.now();
        expect(await waiting.waitFor(['network'], position, 10_000)).toBe(true);
        took.push(performance.now() - before);
      }
      return took.toSorted((a, b) => a - b)[20]!;
    };
    const here = await medianMs(caughtUp, 1);
    const there = await medianMs(elsewhere, 100);
    console.log(`caught up after ${here.toFixed(1)} ms in the process of the projection, after ${there.toFixed(1)} ms in another`);
    expect(there - here).toBeLessThan(50);
    expect((await readModel.usersById([writer.userId(1)]))[0]).toMatchObject({ postCount: 80 });
  });

  it('goes on from its checkpoint when started again', async () => {
    const writer = createWriter();
    const database = await postgres.createDatabase();
    await writer.register(1);
    const first = await postgres.project(writer.log, bothProjections, database);
    await first.reach(await writer.post(1, 1));
    await Promise.all(first.running.map((each) => each.stop()));
    await writer.post(1, 2);
    const second = await postgres.project(writer.log, bothProjections, database);
    await second.reach(await writer.post(1, 3));
    expect((await second.readModel.usersById([writer.userId(1)]))[0]).toMatchObject({ postCount: 3 });
  });

  it('is applied by one node while another one stands by, which goes on at once when the first one stops', async () => {
    const writer = createWriter();
    const database = await postgres.createDatabase();
    const first = await start(networkProjection, writer.log, database);
    const { running, reach, readModel } = await postgres.project(writer.log, [networkProjection], database);
    await reach(await writer.register(1));
    const [second] = running;
    expect(await first.status()).toMatchObject({ standingBy: false, position: { commit: 1 } });
    expect(await second!.status()).toMatchObject({ standingBy: true, position: { commit: 1 }, stoppedBy: null });
    await first.stop();
    await reach(await writer.post(1, 1));
    expect(await second!.status()).toMatchObject({ standingBy: false, position: { commit: 2 } });
    expect((await readModel.usersById([writer.userId(1)]))[0]).toMatchObject({ postCount: 1 });
  });

  it('is refused by the fence and stands by once somebody else has claimed it and its lease', async () => {
    const writer = createWriter();
    const database = await postgres.createDatabase();
    const first = await start(networkProjection, writer.log, database);
    await database.query({ text: `update starling.leases set node_id = 'thief', expires_at = clock_timestamp() + interval '1 hour'` });
    await claim(database, networkProjection, writer.log.id, 'thief');
    await writer.register(1);
    await eventually(async () => (await first.status()).standingBy, 'the first one stands by');
    expect((await first.status()).position).toBeNull();
    // The thief dies; its sessions were never seen, so that its time has to run out.
    await database.query({ text: `update starling.leases set expires_at = clock_timestamp()` });
    await eventually(async () => (await first.status()).position?.commit === 1, 'the first one goes on');
    expect((await first.status()).standingBy).toBe(false);
  });

  it('shows in the metrics how far it is behind, above all when it stands still', async () => {
    const writer = createWriter();
    await writer.register(1);
    await writer.post(1, 1, 'nul \0 nul');
    await writer.post(1, 2);
    const database = await postgres.createDatabase();
    const metrics = createMetrics();
    const common = { database, clock: systemClock, logger: silentLogger, metrics };
    const running = await startProjection({ nodeId: newNodeId(), projection: networkProjection, log: writer.log, ...common });
    postgres.cleanUp(() => running.stop());
    await eventually(async () => (await running.status()).stoppedBy !== null, 'the projection has stopped');
    expect(await metrics.text()).toContain('starling_projection_lag_commits{projection="network"} 2');
    await writer.post(1, 3);
    expect(await metrics.text()).toContain('starling_projection_lag_commits{projection="network"} 3');
  });

  it('stops at an event that it cannot apply, says which, and has applied all before it; the other one goes on', async () => {
    const writer = createWriter();
    await writer.register(1);
    await writer.post(1, 1);
    const poison = await writer.post(1, 2, 'nul \0 nul');
    const last = await writer.post(1, 3);
    const { running, readModel, caughtUp } = await postgres.project(writer.log);
    expect(await caughtUp.waitFor(['statistics'], last, 10_000)).toBe(true);
    const network = running.find(({ name }) => name === 'network')!;
    await eventually(async () => (await network.status()).stoppedBy !== null, 'the projection has stopped');
    const status = await network.status();
    expect(status.stoppedBy).toBe(
      `commit ${poison.commit} of user-${writer.userId(1)} (PostCreated): invalid byte sequence for encoding "UTF8": 0x00`,
    );
    expect(status).toMatchObject({ position: { commit: poison.commit - 1 }, lagCommits: 2 });
    expect((await readModel.userTimeline(writer.userId(1), { take: 'first', count: 10 })).rows.map(({ id }) => id)).toEqual([postIdOf(1)]);
    expect(await caughtUp.waitFor(['network'], last, 50)).toBe(false);
  });

  it('stops at a broken chain', async () => {
    const writer = createWriter();
    await writer.register(1);
    await writer.post(1, 1);
    await writer.post(1, 2);
    const whole = writer.log;
    const lossy: EventLog = {
      ...whole,
      async *subscribe(after, signal) {
        for await (const batch of whole.subscribe(after, signal)) yield batch.filter(({ commit }) => commit !== 2);
      },
    };
    const running = await start(networkProjection, lossy, await postgres.createDatabase());
    await eventually(async () => (await running.status()).stoppedBy !== null, 'the projection has stopped');
    expect((await running.status()).stoppedBy).toMatch(
      /^commit 3 of user-.* follows 2, but the last one seen there is 1: a commit is missing$/,
    );
    expect((await running.status()).position).toMatchObject({ commit: 1 });
  });

  it('refuses the database of another log, with the cure', async () => {
    const database = await postgres.createDatabase();
    await start(networkProjection, createMemoryLog({ random: seededRandom(1) }), database);
    const other = createMemoryLog({ random: seededRandom(2) });
    await expect(start(networkProjection, other, database)).rejects.toMatchObject({
      code: 'DATABASE_OF_ANOTHER_LOG',
      message: expect.stringMatching(/not mounted, or moved\? Then bring it back\. Otherwise give each log a database of its own/),
    });
  });

  it('refuses rows of another version, with the cure', async () => {
    const writer = createWriter();
    const database = await postgres.createDatabase();
    await start(networkProjection, writer.log, database);
    await expect(start({ ...networkProjection, version: 2 }, writer.log, database)).rejects.toMatchObject({
      code: 'PROJECTION_OUTDATED',
      message: expect.stringContaining('npx starling replay network'),
    });
  });

  it('does not touch a schema that is not its own', async () => {
    const writer = createWriter();
    const database = await postgres.createDatabase();
    await database.query({ text: 'create schema network' });
    await expect(start(networkProjection, writer.log, database)).rejects.toThrow('rename or drop it');
  });

  it('waits for a PostgreSQL that is killed, and has lost and doubled nothing when it is back', async () => {
    const writer = createWriter();
    const { readModel, reach } = await postgres.project(writer.log);
    for (let user = 0; user < 5; user += 1) await writer.register(user);
    const restarts = postgres.server.restarts();
    let post = 0;
    const write = async (count: number) => {
      let last = await writer.post(post % 5, ++post);
      for (let more = 1; more < count; more += 1) last = await writer.post(post % 5, ++post);
      return last;
    };
    await reach(await write(200));
    const writing = write(2_000);
    process.kill(postgres.server.pid()!, 'SIGKILL');
    await writing;
    await eventually(() => postgres.server.restarts() > restarts, 'PostgreSQL is back', 20_000);
    await reach(await write(200), 30_000);
    const rows = await readModel.usersById([0, 1, 2, 3, 4].map((user) => writer.userId(user)));
    expect(rows.reduce((sum, row) => sum + row!.postCount, 0)).toBe(2_400);
    expect((await readModel.statistics()).amount).toBe(0); // no run was started
  }, 90_000);

  it('does again what a crash of PostgreSQL took back, also when the log brings nothing new', async () => {
    const writer = createWriter();
    const { database, caughtUp, running, reach, readModel } = await postgres.project(writer.log);
    const watch = await watchDatabase({ database, clock: systemClock, logger: silentLogger, caughtUp, projections: running });
    postgres.cleanUp(() => watch.stop());
    const restarts = postgres.server.restarts();
    const last = await writer.register(1);
    await reach(last);
    // Within the moments for which a commit that does not wait for the disk may be lost.
    process.kill(postgres.server.pid()!, 'SIGKILL');
    await eventually(() => postgres.server.restarts() > restarts, 'PostgreSQL is back', 20_000);
    await reach(last);
    expect((await readModel.usersById([writer.userId(1)]))[0]).not.toBeNull();
  }, 90_000);
});

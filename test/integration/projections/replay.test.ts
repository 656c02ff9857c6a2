import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import type { EventLog } from '../../../src/events/event-log.ts';
import { limits } from '../../../src/limits.ts';
import { silentLogger } from '../../../src/logger.ts';
import type { Database } from '../../../src/projections/database.ts';
import { networkProjection } from '../../../src/projections/network/projection.ts';
import { replay, rollback } from '../../../src/projections/replay/replay.ts';
import type { ReplayOptions } from '../../../src/projections/replay/replay.ts';
import type { ReplayProgress } from '../../../src/projections/replay/progress.ts';
import { eventually } from '../../support/wait-for.ts';
import { bothProjections, usePostgres } from './setup.ts';
import { createWriter, startTime } from './writer.ts';
import type { Writer } from './writer.ts';

const postgres = usePostgres();

const rebuild = (log: EventLog, database: Database, more: Partial<ReplayOptions> = {}) =>
  replay({ projections: bothProjections, log, database, clock: systemClock, logger: silentLogger, eventsPerBatch: 25, ...more });

/** A history with everything in it that can be undone, some of it in another batch of the load. */
async function writeHistory(writer: Writer, users = 30) {
  await writer.startRun(1, startTime);
  for (let user = 0; user < users; user += 1) await writer.register(user);
  let post = 0;
  for (let user = 0; user < users; user += 1) {
    for (let step = 1; step <= 4; step += 1) await writer.follow(user, (user + step * 7) % users);
    await writer.unfollow(user, (user + 7) % users);
    await writer.post(user, ++post);
    await writer.post(user, ++post);
    if (user % 3 === 0) await writer.remove(user, post);
    if (user % 2 === 0) await writer.follow(user, (user + 7) % users);
  }
  // Undone and done again long after.
  for (let user = 0; user < users; user += 5) {
    await writer.unfollow(user, (user + 14) % users);
    await writer.remove(user, user * 2 + 1);
  }
  for (let user = 0; user < users; user += 10) await writer.follow(user, (user + 14) % users);
  await writer.endRun(1, startTime + 5_000, startTime + 6_000);
  await writer.startRun(2, startTime + 10_000);
  await writer.post(0, 500, 'x', startTime + 10_001);
  return (await writer.log.tail())!.position;
}

const outcomes = (report: Awaited<ReturnType<typeof rebuild>>) => report.projections.map(({ outcome, swapped }) => `${outcome} ${swapped}`);

describe('replay', () => {
  it('builds equal rows while events go on, swaps them in, and the running projections go on with them', async () => {
    const writer = createWriter();
    const { database, reach, running, readModel } = await postgres.project(writer.log);
    await reach(await writeHistory(writer));
    const progress: ReplayProgress[] = [];
    let going = true;
    const writing = (async () => {
      for (let post = 1_000; going; post += 1) {
        await writer.post(post % 30, post);
        await turn();
      }
    })();
    const report = await rebuild(writer.log, database, { onProgress: (each) => progress.push(each) });
    going = false;
    await writing;
    expect(outcomes(report)).toEqual(['equal true', 'equal true']);
    expect(report.projections[0]!.tables).toMatchObject([
      { table: 'users', liveRows: 30, rebuiltRows: 30, equal: true },
      { table: 'follows', liveRows: 102, rebuiltRows: 102, equal: true },
      { table: 'posts', equal: true },
    ]);
    expect([...new Set(progress.map(({ phase }) => phase))]).toEqual(['loading', 'comparing', 'catching up', 'swapping', 'done']);
    expect(progress.at(-1)!.eventsDone).toBe(report.events);
    const last = await writer.post(1, 999_999);
    await reach(last);
    for (const each of running) expect((await each.status()).stoppedBy).toBeNull();
    expect((await readModel.publicTimeline({ take: 'first', count: 1 })).rows[0]!.position).toEqual(last);
    // What went on after the swap is as if there had been none.
    expect(outcomes(await rebuild(writer.log, database))).toEqual(['equal true', 'equal true']);
  });

  it('reports a difference table by table and swaps only when forced; a roll-back brings back what was, caught up', async () => {
    const writer = createWriter();
    const { database, reach, readModel } = await postgres.project(writer.log);
    await reach(await writeHistory(writer));
    await database.query({ text: `update network.users set bio = 'altered' where handle = 'user_3'` });
    await database.query({ text: `delete from network.posts where place = (select max(place) from network.posts)` });
    const refused = await rebuild(writer.log, database);
    expect(outcomes(refused)).toEqual(['different false', 'equal false']);
    expect(refused.projections[0]!.tables).toMatchObject([
      { table: 'users', liveRows: 30, rebuiltRows: 30, equal: false },
      { table: 'follows', equal: true },
      { table: 'posts', liveRows: 44, rebuiltRows: 45, equal: false },
    ]);
    const bio = async () => (await readModel.userByHandle('user_3' as never))!.bio;
    expect(await bio()).toBe('altered');
    expect(await schemas(database)).toEqual(['network', 'statistics']);

    expect(outcomes(await rebuild(writer.log, database, { force: true }))).toEqual(['different true', 'equal true']);
    expect(await bio()).toBe('');
    expect(await schemas(database)).toEqual(['network', 'network_old', 'statistics', 'statistics_old']);
    const after = await writer.post(3, 5_000);
    await reach(after);
    const back = { projections: [networkProjection], log: writer.log, database, clock: systemClock, logger: silentLogger };
    expect(await rollback(back)).toEqual({ projections: ['network'] });
    expect(await bio()).toBe('altered');
    expect((await readModel.publicTimeline({ take: 'first', count: 1 })).rows[0]!.position).toEqual(after);
    await reach(await writer.post(3, 5_001));
    await rollback(back);
    expect(await bio()).toBe('');
    await reach(await writer.post(3, 5_002));
    expect(outcomes(await rebuild(writer.log, database))).toEqual(['equal true', 'equal true']);
  });

  it('builds everything where the database is empty', async () => {
    const writer = createWriter();
    const position = await writeHistory(writer);
    const database = await postgres.createDatabase();
    expect(outcomes(await rebuild(writer.log, database))).toEqual(['built true', 'built true']);
    const { readModel, reach } = await postgres.project(writer.log, bothProjections, database);
    await reach(position);
    expect(await readModel.credentials('user_5' as never)).toEqual({ userId: writer.userId(5), passwordHash: 'hash 5' });
    expect(outcomes(await rebuild(writer.log, database))).toEqual(['equal true', 'equal true']);
  });

  it('builds everything where the database was emptied under projections that run, and they go on', async () => {
    const writer = createWriter();
    const { database, reach, running } = await postgres.project(writer.log);
    await reach(await writeHistory(writer));
    await database.query({ text: 'drop schema starling, network, statistics cascade' });
    await writer.post(1, 999_998);
    const stopped = async () => (await Promise.all(running.map((each) => each.status()))).every(({ stoppedBy }) => stoppedBy !== null);
    await eventually(stopped, 'the projections have stopped', 20_000);
    expect(outcomes(await rebuild(writer.log, database))).toEqual(['built true', 'built true']);
    await reach(await writer.post(1, 999_999));
    expect(outcomes(await rebuild(writer.log, database))).toEqual(['equal true', 'equal true']);
  });

  it('does not compare another version, and swaps', async () => {
    const writer = createWriter();
    const { database, reach } = await postgres.project(writer.log);
    await reach(await writeHistory(writer));
    const report = await rebuild(writer.log, database, { projections: [{ ...networkProjection, version: 4 }] });
    expect(report.projections).toMatchObject([{ outcome: 'not-comparable', detail: 'not comparable: 1 → 4', swapped: true, tables: [] }]);
    await expect(
      rollback({
        projections: [{ ...networkProjection, version: 4 }],
        log: writer.log,
        database,
        clock: systemClock,
        logger: silentLogger,
      }),
    ).rejects.toThrow('are of version 1, and this Starling makes version 4');
  });

  it('leaves connections to those who read meanwhile', async () => {
    const writer = createWriter();
    const { database, reach } = await postgres.project(writer.log);
    await reach(await writeHistory(writer));
    let [open, most] = [0, 0];
    const counted = <T>(work: Promise<T>): Promise<T> => {
      most = Math.max(most, ++open);
      return work.finally(() => open--);
    };
    const watched: Database = {
      ...database,
      query: (statement) => counted(database.query(statement)),
      transaction: (settings, work) => counted(database.transaction(settings, work)),
    };
    await rebuild(writer.log, watched);
    expect(most).toBeLessThanOrEqual(limits.databasePoolSize - 3);
  });

  it('gives up rows that are ahead of the log only when forced', async () => {
    const writer = createWriter();
    const { database, reach, running } = await postgres.project(writer.log);
    const position = await writeHistory(writer);
    await reach(position);
    await Promise.all(running.map((each) => each.stop()));
    const cut = position.commit - 20;
    const shorter: EventLog = {
      ...writer.log,
      tail: async () => ({ position: { ...position, commit: cut }, time: 0 }),
    };
    const report = await rebuild(shorter, database);
    expect(report.projections[0]).toMatchObject({
      outcome: 'not-comparable',
      swapped: false,
      detail: `not comparable: the live rows stand at commit ${position.commit}, and the log ends with commit ${cut}`,
    });
    expect(outcomes(await rebuild(shorter, database, { force: true }))).toEqual(['not-comparable true', 'not-comparable true']);
  });

  it('runs alone, and cleans up after one that was cancelled or killed in the middle', async () => {
    const writer = createWriter();
    const { database, reach } = await postgres.project(writer.log);
    await reach(await writeHistory(writer));
    const cancelling = new AbortController();
    let other: Promise<unknown> = Promise.resolve();
    const cancelled = rebuild(writer.log, database, {
      signal: cancelling.signal,
      onProgress: ({ phase }) => {
        if (phase !== 'loading') return;
        other = expect(rebuild(writer.log, database)).rejects.toMatchObject({ code: 'REPLAY_RUNNING' });
        cancelling.abort();
      },
    });
    await expect(cancelled).rejects.toThrow();
    await other;
    expect(await schemas(database)).toEqual(['network', 'statistics']);
    // As a process leaves it that is killed while it loads: its shadow stands, its lock is gone.
    await database.query({
      text: `create schema network_shadow; create table network_shadow.users (x int);
             insert into starling.checkpoints (projection, log_id, version, epoch) values ('network_shadow', '${writer.log.id}', 1, 0)`,
    });
    expect(outcomes(await rebuild(writer.log, database))).toEqual(['equal true', 'equal true']);
    expect(await schemas(database)).toEqual(['network', 'network_old', 'statistics', 'statistics_old']);
  });

  it('names the commit that cannot become rows, and leaves nothing of what it began', async () => {
    const writer = createWriter();
    await writeHistory(writer);
    // No text of PostgreSQL holds it; commands with it are refused.
    const bad = await writer.post(3, 7_777, 'a\0b');
    for (let post = 8_000; post < 8_080; post += 1) await writer.post(4, post);
    const database = await postgres.createDatabase();
    await expect(rebuild(writer.log, database)).rejects.toThrow(`commit ${bad.commit} of user-${writer.userId(3)} (PostCreated)`);
    const left = await database.query({ text: `select from pg_namespace where nspname like 'network%' or nspname like 'statistics%'` });
    expect(left).toHaveLength(0);
  });

  it('serves queries all the while', async () => {
    const writer = createWriter();
    const { database, reach, readModel } = await postgres.project(writer.log);
    await reach(await writeHistory(writer));
    let going = true;
    let pages = 0;
    const reading = Promise.all(
      Array.from({ length: 6 }, async (_, reader) => {
        while (going) {
          const page = await readModel.homeTimeline(writer.userId(reader), { take: 'first', count: 20 });
          expect(page.rows.length).toBeGreaterThan(0);
          pages += 1;
        }
      }),
    );
    try {
      for (let round = 0; round < 3; round += 1)
        expect(outcomes(await rebuild(writer.log, database))).toEqual(['equal true', 'equal true']);
    } finally {
      going = false;
      await reading;
    }
    expect(pages).toBeGreaterThan(10);
  });
});

async function schemas(database: Database): Promise<string[]> {
  const found = await database.query<{ nspname: string }>({
    text: `select nspname from pg_namespace where nspname ~ '^(network|statistics)' order by 1`,
  });
  return found.map(({ nspname }) => nspname);
}

import { describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import type { EventLog } from '../../../src/events/event-log.ts';
import { createMemoryLog } from '../../../src/events/memory-log.ts';
import { silentLogger } from '../../../src/logger.ts';
import type { Database } from '../../../src/projections/database.ts';
import { replay, rollback } from '../../../src/projections/replay/replay.ts';
import { seededRandom } from '../../../src/random.ts';
import { eventually } from '../../support/wait-for.ts';
import { bothProjections, usePostgres } from './setup.ts';
import { createWriter, startTime } from './writer.ts';

const postgres = usePostgres();

/** A log that holds back what comes after a commit until it is told to go on. */
function stopping(log: EventLog, after: number): EventLog & { goOn(): void } {
  let goOn = () => {};
  const gate = new Promise<void>((resolve) => (goOn = resolve));
  return {
    ...log,
    async *subscribe(from, signal) {
      for await (const batch of log.subscribe(from, signal)) {
        const [early, late] = [batch.filter(({ commit }) => commit <= after), batch.filter(({ commit }) => commit > after)];
        if (early.length > 0) yield early;
        if (late.length === 0) continue;
        await gate;
        yield late;
      }
    },
    goOn: () => goOn(),
  };
}

describe('a replay in trouble', () => {
  it('swaps nothing in where PostgreSQL crashed while it waited for the log, and forgot the rows that were being loaded', async () => {
    const writer = createWriter();
    await writer.startRun(1, startTime);
    for (let user = 0; user < 20; user += 1) await writer.register(user);
    const early = (await writer.log.tail())!.position.commit;
    for (let user = 20; user < 40; user += 1) await writer.register(user);
    const database = await postgres.createDatabase();
    const log = stopping(writer.log, early);
    // So that what comes early fills batches, which are written only when they are full.
    const eventsPerBatch = early / 3;
    const replaying = replay({ projections: bothProjections, log, database, clock: systemClock, logger: silentLogger, eventsPerBatch });
    replaying.catch(() => undefined);
    const loaded = async () => {
      const found = await database.query<{ commit: string }>({
        text: `select place / 1024 as commit from starling.checkpoints where projection like '%_shadow' and place is not null`,
      });
      return found.length === 2 && found.every(({ commit }) => Number(commit) === early);
    };
    await eventually(loaded, 'what the log has given is loaded', 20_000);
    const restarts = postgres.server.restarts();
    // Waits for the disk, and with it for all that was committed before.
    await database.query({ text: 'create table public.something ()' });
    process.kill(postgres.server.pid()!, 'SIGKILL');
    await eventually(() => postgres.server.restarts() > restarts, 'PostgreSQL is back', 20_000);
    log.goOn();
    await expect(replaying).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
    expect(await schemas(database)).toEqual([]);
  }, 60_000);

  it('keeps no rows for a roll-back that the log does not explain', async () => {
    const before = createWriter();
    await before.register(1);
    for (let post = 1; post <= 5; post += 1) await before.post(1, post);
    const { database, reach, running } = await postgres.project(before.log);
    await reach((await before.log.tail())!.position);
    await Promise.all(running.map((each) => each.stop()));
    // The same log after it has lost its end, and then gone on.
    const after = createWriter();
    await after.register(1);
    await after.post(1, 1);
    const options = { projections: bothProjections, log: after.log, database, clock: systemClock, logger: silentLogger };
    const report = await replay({ ...options, force: true });
    expect(report.projections.map(({ outcome, swapped }) => `${outcome} ${swapped}`)).toEqual([
      'not-comparable true',
      'not-comparable true',
    ]);
    for (let post = 11; post <= 20; post += 1) await after.post(1, post);
    await expect(rollback(options)).rejects.toThrow('there are no rows from before a replay');
    expect(await schemas(database)).toEqual(['network', 'statistics']);
  });

  it('builds anew a schema that somebody has dropped alone, by a replay as by a start', async () => {
    const { log, ...writer } = createWriter();
    await writer.register(1);
    const database = await postgres.createDatabase();
    const options = { projections: bothProjections, log, database, clock: systemClock, logger: silentLogger };
    const outcomes = async () => (await replay(options)).projections.map(({ outcome, swapped }) => `${outcome} ${swapped}`);
    await outcomes();
    await database.query({ text: 'drop schema network cascade' });
    expect(await outcomes()).toEqual(['built true', 'equal true']);
    await database.query({ text: 'drop schema network cascade' });
    const { reach } = await postgres.project(log, bothProjections, database);
    await reach(await writer.post(1, 1));
    expect(await outcomes()).toEqual(['equal true', 'equal true']);
  });

  it('goes on where the schemas were dropped that a database of another log is to be emptied of', async () => {
    const first = createWriter();
    await first.register(1);
    const database = await postgres.createDatabase();
    const options = { projections: bothProjections, database, clock: systemClock, logger: silentLogger };
    for (let round = 0; round < 2; round += 1) await replay({ ...options, log: first.log });
    const second = createWriter(createMemoryLog({ random: seededRandom(2) }));
    await second.register(2);
    const refusal = await replay({ ...options, log: second.log }).catch((error: Error) => error);
    expect(refusal).toMatchObject({ code: 'DATABASE_OF_ANOTHER_LOG' });
    const [, named = ''] = /drop its schemas ([a-z_, ]+)\)/.exec((refusal as Error).message) ?? [];
    await database.query({ text: `drop schema ${named.replace(' and ', ', ')} cascade` });
    for (let round = 0; round < 2; round += 1) {
      const report = await replay({ ...options, log: second.log });
      expect(report.projections.every(({ swapped }) => swapped)).toBe(true);
    }
  });
});

async function schemas(database: Database): Promise<string[]> {
  const found = await database.query<{ nspname: string }>({
    text: `select nspname from pg_namespace where nspname ~ '^(network|statistics)' order by 1`,
  });
  return found.map(({ nspname }) => nspname);
}

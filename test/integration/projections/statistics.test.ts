import { describe, expect, it } from 'vitest';
import type { RecordedCommit } from '../../../src/events/event-log.ts';
import { inSchema } from '../../../src/projections/projection.ts';
import { statisticsProjection } from '../../../src/projections/statistics/projection.ts';
import { usePostgres } from './setup.ts';
import { createWriter, runIdOf, startTime } from './writer.ts';
import type { Writer } from './writer.ts';

const postgres = usePostgres();

/** Two runs: three seconds long with five events, and an open one with two. */
async function writeTwoRuns(writer: Writer) {
  await writer.register(99, startTime - 5_000); // before any run: belongs to none
  await writer.startRun(1, startTime);
  await writer.register(1, startTime + 100);
  await writer.register(2, startTime + 200);
  await writer.post(1, 1, 'x', startTime + 300);
  await writer.register(3, startTime + 1_500);
  await writer.endRun(1, startTime + 3_000);
  await writer.post(2, 2, 'late', startTime + 3_100); // after its end, before the next: still of run 1
  await writer.startRun(2, startTime + 10_000);
  await writer.post(2, 3, 'x', startTime + 10_500);
  return writer.post(2, 4, 'x', startTime + 12_000);
}

describe('statistics', () => {
  it('count events by the run, by their type and by their own second', async () => {
    const writer = createWriter();
    const { readModel, reach } = await postgres.project(writer.log, [statisticsProjection]);
    const last = await writeTwoRuns(writer);
    await reach(last);
    expect(await readModel.statistics()).toEqual({ amount: 7, elapsedSeconds: 5, position: last });
    const { rows } = await readModel.runs({ take: 'first', count: 10 });
    expect(rows).toMatchObject([
      {
        id: runIdOf(2),
        startedAt: startTime + 10_000,
        endedAt: null,
        amount: 2,
        elapsedSeconds: 2,
        byType: [{ type: 'PostCreated', amount: 2, perSecond: 1, peakPerSecond: 1 }],
      },
      {
        id: runIdOf(1),
        label: 'run 1',
        endedAt: startTime + 3_000,
        amount: 5,
        elapsedSeconds: 3,
        byType: [
          { type: 'PostCreated', amount: 2, perSecond: 2 / 3, peakPerSecond: 1 },
          { type: 'UserRegistered', amount: 3, perSecond: 1, peakPerSecond: 2 },
        ],
      },
    ]);
    expect(await readModel.runsById([runIdOf(7), runIdOf(1)])).toEqual([null, rows[1]]);
    const oldest = await readModel.runs({ take: 'last', count: 1 });
    expect(oldest).toMatchObject({ hasNextPage: false, hasPreviousPage: true, rows: [{ id: runIdOf(1) }] });
  });

  it('last no less than nothing when the clock was set back after the run began', async () => {
    const writer = createWriter();
    const { readModel, reach } = await postgres.project(writer.log, [statisticsProjection]);
    await writer.startRun(1, startTime);
    await writer.register(1, startTime + 2_000);
    await writer.endRun(1, startTime + 2_000);
    await writer.startRun(2, startTime + 3_600_000);
    const last = await writer.register(2, startTime + 10_000);
    await reach(last);
    expect(await readModel.statistics()).toEqual({ amount: 2, elapsedSeconds: 2, position: last });
    const { rows } = await readModel.runs({ take: 'first', count: 1 });
    expect(rows).toMatchObject([{ id: runIdOf(2), amount: 1, elapsedSeconds: 0, byType: [{ perSecond: 0 }] }]);
  });

  it('count once whatever is applied twice, also in batches cut elsewhere', async () => {
    const writer = createWriter();
    const last = await writeTwoRuns(writer);
    const commits: RecordedCommit[] = [];
    for await (const batch of writer.log.subscribe('start', AbortSignal.timeout(10_000))) {
      commits.push(...batch);
      if (commits.at(-1)!.commit === last.commit) break;
    }
    const database = await postgres.createDatabase();
    await database.query({ text: 'create schema statistics' });
    await database.query({ text: inSchema(statisticsProjection.tablesSql + statisticsProjection.indexesSql, 'statistics') });
    const apply = (some: RecordedCommit[]) =>
      database.transaction({}, (session) => statisticsProjection.write(session, 'statistics', some));
    const rows = () =>
      Promise.all(
        statisticsProjection.tables.map((table) => database.query({ text: `select * from statistics.${table} order by 1, 2, 3` })),
      );
    for (const commit of commits) await apply([commit]);
    const once = await rows();
    await apply(commits);
    await apply(commits.slice(3));
    await apply(commits.slice(2, 6));
    expect(await rows()).toEqual(once);
  });
});

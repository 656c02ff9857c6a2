import { expect, it } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import type { EventLog } from '../../../src/events/event-log.ts';
import { silentLogger } from '../../../src/logger.ts';
import { claim, ensureLive, refuseDatabaseOfOtherHistory } from '../../../src/projections/checkpoints.ts';
import { replay } from '../../../src/projections/replay/replay.ts';
import { eventually } from '../../support/wait-for.ts';
import { bothProjections, usePostgres } from './setup.ts';
import { createWriter } from './writer.ts';

const postgres = usePostgres();

it('a database is refused that shows more than the log holds: what is appended next would be taken for shown', async () => {
  const writer = createWriter();
  const { database, reach } = await postgres.project(writer.log);
  await writer.register(1);
  await reach(await writer.post(1, 1));
  await refuseDatabaseOfOtherHistory(database, writer.log);
  const restored: EventLog = { ...writer.log, tail: async () => ({ position: { logId: writer.log.id, commit: 1, index: 0 }, time: 0 }) };
  await expect(refuseDatabaseOfOtherHistory(database, restored)).rejects.toMatchObject({
    code: 'DATABASE_AHEAD_OF_LOG',
    message: expect.stringMatching(/stand at commit 2, and the log ends with commit 1: .* "npx starling replay --force"/),
  });
  // What was swapped out stays as it was, and is nobody's concern.
  await database.query({ text: `update starling.checkpoints set place = place + 10000000, projection = projection || '_old'` });
  await refuseDatabaseOfOtherHistory(database, restored);
});

it('a server of the log that is behind and does not know it takes no database for one that is ahead', async () => {
  const writer = createWriter();
  const { database, reach } = await postgres.project(writer.log);
  const before = await writer.register(1);
  await reach(await writer.post(1, 1));
  let leads = false;
  const cutOff: EventLog = {
    ...writer.log,
    async head(stream) {
      leads = true;
      return writer.log.head(stream);
    },
    tail: async () => (leads ? writer.log.tail() : { position: before, time: 0 }),
  };
  await refuseDatabaseOfOtherHistory(database, cutOff);
  leads = false;
  const report = await replay({ projections: bothProjections, log: cutOff, database, clock: systemClock, logger: silentLogger });
  expect(report.projections.map(({ outcome }) => outcome)).toEqual(['equal', 'equal']);
});

it('a database of another log is refused', async () => {
  const { database } = await postgres.project(createWriter().log);
  const { log } = createWriter();
  const other: EventLog = { ...log, id: '00000000-0000-4000-8000-000000000001' as EventLog['id'] };
  await expect(refuseDatabaseOfOtherHistory(database, other)).rejects.toMatchObject({ code: 'DATABASE_OF_ANOTHER_LOG' });
  for (const projection of bothProjections)
    await expect(ensureLive(database, projection, other.id)).rejects.toMatchObject({ code: 'DATABASE_OF_ANOTHER_LOG' });
});

it('whoever loses the lease while it takes a projection over takes nothing over', async () => {
  const { log } = createWriter();
  const database = await postgres.createDatabase();
  const [projection] = bothProjections;
  await ensureLive(database, projection, log.id);
  await database.query({ text: `insert into starling.leases values ('network', 'late', clock_timestamp() + interval '1 hour', true)` });
  const epoch = async () => (await database.query<{ epoch: string }>({ text: 'select epoch from starling.checkpoints' }))[0]?.epoch;
  const before = await epoch();
  let claimed: Promise<unknown> | undefined;
  let settled = false;
  await database.transaction({}, async (session) => {
    await session.query({ text: `update starling.leases set node_id = 'next'` });
    claimed = claim(database, projection, log.id, 'late').finally(() => (settled = true));
    const waiting = `select from pg_stat_activity where wait_event_type = 'Lock' and query like '%starling.leases%for share%'`;
    await eventually(async () => settled || (await database.query({ text: waiting })).length > 0, 'it waits for the lease, or is through');
  });
  expect(await claimed).toBeUndefined();
  expect(await epoch()).toBe(before);
  expect(await claim(database, projection, log.id, 'next')).toMatchObject({ projection: 'network' });
});

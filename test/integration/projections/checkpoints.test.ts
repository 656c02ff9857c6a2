import { expect, it } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import type { EventLog } from '../../../src/events/event-log.ts';
import { silentLogger } from '../../../src/logger.ts';
import { refuseDatabaseOfOtherHistory } from '../../../src/projections/checkpoints.ts';
import { replay } from '../../../src/projections/replay/replay.ts';
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
});

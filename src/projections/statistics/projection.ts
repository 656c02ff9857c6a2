import { readFileSync } from 'node:fs';
import type { RunId } from '../../events/ids.ts';
import type { Session } from '../database.ts';
import { placeOfEvent } from '../places.ts';
import { inSchema } from '../projection.ts';
import type { Projection, SchemaName } from '../projection.ts';
import { createStatisticsFold } from './fold.ts';
import type { StatisticsChanges } from './fold.ts';
import { addSeconds, summingUp } from './writes/add-seconds.ts';
import { countEvents } from './writes/count-events.ts';
import { endRuns } from './writes/end-runs.ts';
import { noteLastEvents } from './writes/note-last-events.ts';
import { startRuns } from './writes/start-runs.ts';

/** How many events of which type in which second, by the events' own times, so that a replay gives the same figures. */
export const statisticsProjection: Projection = {
  name: 'statistics',
  version: 1,
  tables: ['runs', 'seconds', 'types'],
  tablesSql: readFileSync(new URL('schema.sql', import.meta.url), 'utf8'),
  indexesSql: readFileSync(new URL('indexes.sql', import.meta.url), 'utf8'),
  loadingSql: readFileSync(new URL('loading.sql', import.meta.url), 'utf8'),
  write: async (session, schema, commits) => {
    const fold = createStatisticsFold(await currentRun(session, schema, commits[0]!.commit));
    for (const commit of commits) fold.add(commit);
    const changes = fold.changes();
    await writeRuns(session, schema, changes);
    if (changes.counted.length > 0) await countEvents(session, schema, changes.counted);
  },
  startLoad: (schema) => {
    let fold = createStatisticsFold(undefined);
    return {
      add: (commit) => fold.add(commit),
      take() {
        const changes = fold.changes();
        fold = createStatisticsFold(fold.run());
        return async (session) => {
          await writeRuns(session, schema, changes);
          if (changes.counted.length > 0) await session.query(addSeconds(schema, changes.counted));
        };
      },
    };
  },
  afterLoad: { undo: [], sum: summingUp, summed: ['seconds', 'types'] },
};

async function writeRuns(session: Session, schema: SchemaName, changes: StatisticsChanges): Promise<void> {
  if (changes.started.length > 0) await session.query(startRuns(schema, changes.started));
  if (changes.ended.length > 0) await session.query(endRuns(schema, changes.ended));
  if (changes.lastEvents.size > 0) await session.query(noteLastEvents(schema, changes.lastEvents));
}

/** The run started last before a commit; looked up by place, so that commits applied again count for the run they belong to. */
async function currentRun(session: Session, schema: SchemaName, firstCommit: number): Promise<RunId | undefined> {
  const [run] = await session.query<{ id: RunId }>({
    name: `${schema} current-run`,
    text: inSchema('select id from schema.runs where place < $1 order by place desc limit 1', schema),
    values: [placeOfEvent(firstCommit, 0)],
  });
  return run?.id;
}

import type { Clock } from '../../clock.ts';
import { limits } from '../../limits.ts';
import { findCheckpoint, lockSchemas } from '../checkpoints.ts';
import { DatabaseUnavailable } from '../database.ts';
import type { Database, Session } from '../database.ts';
import type { Projection, SchemaName } from '../projection.ts';
import { dropSchema } from './shadow.ts';

/**
 * Puts `incoming` in the place of the live schema in one transaction, and keeps the live one as `_old`. While the live checkpoint is locked no
 * runner can move it, so `bringUpTo` can take the incoming rows to exactly that place. Where the log ends before it, the live rows are not kept:
 * once the log has grown past them, nothing could tell that other commits stand where theirs stood. The epoch changes: the runner of what was live
 * is refused at its next commit, sees that it was a swap, and goes on with what is live now.
 */
export async function swapIn(
  database: Database,
  clock: Clock,
  projection: Projection,
  incoming: 'shadow' | 'old',
  bringUpTo: (session: Session, place: string | null) => Promise<void>,
): Promise<void> {
  const { name } = projection;
  await database.transaction({}, async (session) => {
    await lockSchemas(session);
    const [live] = await session.query<{ place: string | null; epoch: string; generation: string }>({
      text: 'select place, epoch, generation from starling.checkpoints where projection = $1 for update',
      values: [name],
    });
    await bringUpTo(session, live?.place ?? null);
    if (live !== undefined) await lockTables(session, clock, projection, name);
    await lockTables(session, clock, projection, `${name}_${incoming}`);
    const { place } = (await findCheckpoint(session, `${name}_${incoming}`))!;
    const explained = live?.place == null || (place !== null && BigInt(place) >= BigInt(live.place));
    if (incoming === 'old') {
      // A replay that was killed may have left one.
      await dropSchema(session, `${name}_shadow`);
      await rename(session, `${name}_old`, `${name}_shadow`);
    } else if (live !== undefined) {
      await dropSchema(session, `${name}_old`);
    }
    if (!explained) await dropSchema(session, name);
    else if (live !== undefined) await rename(session, name, `${name}_old`);
    await rename(session, `${name}_shadow`, name);
    await session.query({
      text: 'update starling.checkpoints set epoch = $2::bigint + 1, generation = $3::bigint + 1 where projection = $1',
      values: [name, live?.epoch ?? 0, live?.generation ?? 0],
    });
  });
}

async function rename(session: Session, from: SchemaName, to: SchemaName): Promise<void> {
  await session.query({ text: `alter schema ${from} rename to ${to}` });
  await session.query({ text: 'update starling.checkpoints set projection = $2 where projection = $1', values: [from, to] });
}

/**
 * Waits for queries that read the tables to end and holds new ones back for the moment of the swap, so that no page mixes old rows with the new
 * checkpoint. Queries lock their tables one by one in an order of their own: so this gives way soon, before anybody calls it a deadlock.
 */
async function lockTables(session: Session, clock: Clock, projection: Projection, schema: SchemaName): Promise<void> {
  const tables = projection.tables.map((table) => `${schema}.${table}`).join(', ');
  for (let tries = 1; ; tries += 1) {
    await session.query({ text: `savepoint before_lock; set local lock_timeout = ${limits.swapLockMs}` });
    try {
      await session.query({ text: `lock table ${tables} in access exclusive mode` });
      await session.query({ text: `release savepoint before_lock; set local lock_timeout = ${limits.databaseLockTimeoutMs}` });
      return;
    } catch (cause) {
      if (!(cause instanceof DatabaseUnavailable) || tries === limits.swapLockTriesMax) throw cause;
      await session.query({ text: 'rollback to savepoint before_lock' });
      await clock.sleep(limits.swapLockMs / 5);
    }
  }
}

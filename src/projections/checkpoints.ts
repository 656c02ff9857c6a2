import type { EventLog } from '../events/event-log.ts';
import type { LogId } from '../events/ids.ts';
import { endReaching } from '../events/proven-tail.ts';
import type { Database, Session } from './database.ts';
import { commitOfPlace } from './places.ts';
import { inSchema } from './projection.ts';
import type { Projection, SchemaName } from './projection.ts';
import { projectionNames } from './read-model.ts';

/** A row of `starling.checkpoints`. */
export interface Checkpoint {
  readonly projection: SchemaName;
  readonly log_id: LogId;
  readonly version: number;
  readonly epoch: string;
  readonly generation: string;
  readonly place: string | null;
}

/** The database belongs to another log: never mixed in silence. */
export class DatabaseOfAnotherLog extends Error {
  readonly code = 'DATABASE_OF_ANOTHER_LOG';
  override readonly name = 'DatabaseOfAnotherLog';
}

/** The log has lost what the rows were made of, or was restored from a backup that is older than they are. */
export class DatabaseAheadOfLog extends Error {
  readonly code = 'DATABASE_AHEAD_OF_LOG';
  override readonly name = 'DatabaseAheadOfLog';
}

/** The rows were made by another version of the projection: they have to be built anew before they can go on. */
export class ProjectionOutdated extends Error {
  readonly code = 'PROJECTION_OUTDATED';
  override readonly name = 'ProjectionOutdated';
}

/** Somebody else owns the projection now: nothing was written. */
export class FenceLost extends Error {
  readonly code = 'FENCE_LOST';
  override readonly name = 'FenceLost';
}

/** @throws {DatabaseOfAnotherLog} with the cure. */
export async function refuseDatabaseOfAnotherLog(session: Session, logId: LogId): Promise<void> {
  const all = await session.query<{ log_id: string; projection: SchemaName }>({
    text: 'select log_id, projection from starling.checkpoints order by projection',
  });
  const other = all.find(({ log_id: id }) => id !== logId);
  if (other === undefined) return;
  const schemas = all.map(({ projection }) => projection).join(', ');
  throw new DatabaseOfAnotherLog(
    `this database holds the read models of the log ${other.log_id}, and this log is ${logId}. Is the disk of that log not mounted, or moved? ` +
      `Then bring it back. Otherwise give each log a database of its own, or empty this one (drop its schemas ${schemas} and starling) to build it from this log`,
  );
}

/**
 * Before anything is appended: once the log has grown past rows that are ahead of it, other commits stand where theirs stood, and nothing could tell.
 * @throws {DatabaseOfAnotherLog} @throws {DatabaseAheadOfLog} with the cure.
 */
export async function refuseDatabaseOfOtherHistory(session: Session, log: EventLog): Promise<void> {
  await refuseDatabaseOfAnotherLog(session, log.id);
  const [furthest] = await session.query<{ place: string | null }>({
    text: 'select max(place) as place from starling.checkpoints where projection = any($1)',
    values: [projectionNames],
  });
  const shown = furthest?.place == null ? 0 : commitOfPlace(furthest.place);
  const end = await endReaching(log, shown);
  if (shown <= end) return;
  throw new DatabaseAheadOfLog(
    `the read models of this database stand at commit ${shown}, and the log ends with commit ${end}: it was restored from an older backup, or has lost ` +
      'its end. "npx starling replay --force" builds the read models from the log as it is',
  );
}

export async function findCheckpoint(session: Session, schema: SchemaName): Promise<Checkpoint | undefined> {
  const rows = await session.query<Checkpoint>({
    name: 'find-checkpoint',
    text: 'select projection, log_id, version, epoch, generation, place from starling.checkpoints where projection = $1',
    values: [schema],
  });
  return rows[0];
}

/** Whoever drops a schema wants it built anew; a checkpoint that stayed would say that all its rows are there. */
export async function forgetDropped(session: Session, schema: SchemaName): Promise<void> {
  await session.query({ text: 'delete from starling.checkpoints where projection = $1 and to_regnamespace($1) is null', values: [schema] });
}

/** Makes a schema for a projection, with tables from `sql`, and its checkpoint before the first event. */
export async function createSchema(session: Session, projection: Projection, schema: SchemaName, logId: LogId, sql: string): Promise<void> {
  await refuseForeignSchema(session, schema);
  await session.query({ text: `create schema ${schema}` });
  await session.query({ text: inSchema(sql, schema) });
  await session.query({
    text: 'insert into starling.checkpoints (projection, log_id, version, epoch) values ($1, $2, $3, 0)',
    values: [schema, logId, projection.version],
  });
}

/** Somebody else's, or left over where the schema `starling` was dropped without it. @throws {Error} with the cure. */
export async function refuseForeignSchema(session: Session, schema: SchemaName): Promise<void> {
  const taken = await session.query({ text: 'select from pg_namespace where nspname = $1', values: [schema] });
  if (taken.length === 0 || (await findCheckpoint(session, schema)) !== undefined) return;
  throw new Error(
    `this database has a schema "${schema}" that has no checkpoint of Starling: rename or drop it, or give Starling a database of its own`,
  );
}

/** Advisory lock of the one replay or roll-back that may run in a database. */
export const replayLock = 7_254_113_003;

/** Serialises what creates, swaps and claims schemas, until the end of the transaction. */
export async function lockSchemas(session: Session): Promise<void> {
  await session.query({ text: `select pg_advisory_xact_lock(7254113002)` });
}

/** Makes the live schema where there is none. @throws {DatabaseOfAnotherLog} @throws {ProjectionOutdated} */
export async function ensureLive(database: Database, projection: Projection, logId: LogId): Promise<void> {
  await database.transaction({}, (session) => ensure(session, projection, logId));
}

async function ensure(session: Session, projection: Projection, logId: LogId): Promise<void> {
  await lockSchemas(session);
  await refuseDatabaseOfAnotherLog(session, logId);
  await forgetDropped(session, projection.name);
  const found = await findCheckpoint(session, projection.name);
  if (found === undefined) {
    await createSchema(session, projection, projection.name, logId, projection.tablesSql + projection.indexesSql);
  } else if (found.version !== projection.version) {
    throw new ProjectionOutdated(
      `the rows of ${projection.name} are of version ${found.version}, this Starling makes version ${projection.version}: run "npx starling replay ${projection.name}"`,
    );
  }
}

/**
 * Takes the live schema over: whoever ran it before is refused at its next commit. Undefined when the lease is another node's by now: whoever was stopped
 * after it took the lease must not fence the one that leads. @throws {DatabaseOfAnotherLog} @throws {ProjectionOutdated}
 */
export async function claim(database: Database, projection: Projection, logId: LogId, nodeId: string): Promise<Checkpoint | undefined> {
  return database.transaction({}, async (session) => {
    await ensure(session, projection, logId);
    const leased = await session.query({
      text: 'select from starling.leases where projection = $1 and node_id = $2 for share',
      values: [projection.name, nodeId],
    });
    if (leased.length === 0) return undefined;
    const rows = await session.query<Checkpoint>({
      text: 'update starling.checkpoints set epoch = epoch + 1 where projection = $1 returning *',
      values: [projection.name],
    });
    return rows[0]!;
  });
}

/** First in each transaction that writes rows: moves the checkpoint, if it is still ours and still stands at `from`. @throws {FenceLost} */
export async function advance(
  session: Session,
  held: { projection: SchemaName; epoch: string },
  from: string | null,
  to: string,
): Promise<void> {
  const moved = await session.query({
    name: 'advance checkpoint',
    text: `update starling.checkpoints set place = $4 where projection = $1 and epoch = $2 and place is not distinct from $3 returning 1`,
    values: [held.projection, held.epoch, from, to],
  });
  if (moved.length === 0) throw new FenceLost(`${held.projection}: somebody else has taken it over`);
}

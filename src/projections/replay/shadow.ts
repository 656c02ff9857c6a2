import type { EventLog } from '../../events/event-log.ts';
import { endReaching } from '../../events/proven-tail.ts';
import { limits } from '../../limits.ts';
import type { Held } from '../apply.ts';
import {
  createSchema,
  findCheckpoint,
  forgetDropped,
  lockSchemas,
  refuseDatabaseOfAnotherLog,
  refuseForeignSchema,
} from '../checkpoints.ts';
import type { Checkpoint } from '../checkpoints.ts';
import type { Database, Session } from '../database.ts';
import { commitOfPlace } from '../places.ts';
import { inSchema } from '../projection.ts';
import type { Projection, SchemaName } from '../projection.ts';
import { digestTable } from './digest.ts';
import type { TableDigest } from './digest.ts';

/** A projection that is built anew beside the live one, and what the live one was when this began. */
export interface Shadow {
  readonly projection: Projection;
  readonly held: Held;
  /** The commit to load up to: where the live one stands if the two are compared, otherwise the end of the log. */
  readonly targetCommit: number;
  /** Why the two cannot be compared, or undefined. */
  readonly notComparable: string | undefined;
  /** The log has lost what the live rows were made of: they are given up only when forced. */
  readonly aheadOfLog: boolean;
  /** Undefined where there is nothing to compare with; computed while the shadow loads. */
  readonly live: Promise<readonly TableDigest[]> | undefined;
}

/** Cleans up after a replay that was killed, makes an empty shadow, and begins to read the live rows at their checkpoint, in one snapshot. */
export async function beginShadow(database: Database, projection: Projection, log: EventLog): Promise<Shadow> {
  const schema: SchemaName = `${projection.name}_shadow`;
  await database.transaction({}, async (session) => {
    await lockSchemas(session);
    await refuseDatabaseOfAnotherLog(session, log.id);
    // Told now, and not after everything was loaded: the swap needs the name for what is live.
    await refuseForeignSchema(session, `${projection.name}_old`);
    await forgetDropped(session, projection.name);
    await dropSchema(session, schema);
    await createSchema(session, projection, schema, log.id, projection.tablesSql + projection.loadingSql);
  });
  const held: Held = { schema, epoch: '0', place: null };
  const { checkpoint, digests } = await readLive(database, projection);
  // Asked afterwards: the live rows go on, and must not seem to be ahead of the log.
  const end = await endReaching(log, checkpoint?.place == null ? 0 : commitOfPlace(checkpoint.place));
  const nothing = { projection, held, targetCommit: end, notComparable: undefined, aheadOfLog: false, live: undefined };
  if (checkpoint !== undefined && checkpoint.version !== projection.version) {
    return { ...nothing, notComparable: `not comparable: ${checkpoint.version} → ${projection.version}` };
  }
  if (checkpoint?.place == null) return nothing;
  const targetCommit = commitOfPlace(checkpoint.place);
  if (targetCommit > end) {
    const notComparable = `not comparable: the live rows stand at commit ${targetCommit}, and the log ends with commit ${end}`;
    return { ...nothing, notComparable, aheadOfLog: true };
  }
  return { ...nothing, targetCommit, live: digests };
}

/** The checkpoint as soon as the snapshot is taken; the digests of the same snapshot later. */
async function readLive(
  database: Database,
  projection: Projection,
): Promise<{ checkpoint: Checkpoint | undefined; digests: Promise<readonly TableDigest[]> }> {
  let digests: Promise<readonly TableDigest[]>;
  const checkpoint = await new Promise<Checkpoint | undefined>((resolve, reject) => {
    digests = database.transaction({ isolation: 'repeatable read', readOnly: true }, async (session) => {
      await session.query({ text: 'set local statement_timeout = 0' });
      const found = await findCheckpoint(session, projection.name);
      resolve(found);
      const comparable = found !== undefined && found.place !== null && found.version === projection.version;
      const live: TableDigest[] = [];
      if (comparable) for (const table of projection.tables) live.push(await digestTable(session, projection.name, table));
      return live;
    });
    // Whoever compares sees the failure again; a load that fails first must not leave it unseen.
    digests.catch(reject);
  });
  return { checkpoint, digests: digests! };
}

/** After the last load: rows as `write` would have made them, then keys and indexes, a few at a time: those who read meanwhile share the connections. */
export async function finishShadow(database: Database, { projection, held }: Shadow): Promise<void> {
  const { undo, sum, summed } = projection.afterLoad;
  const carryOut = (statements: readonly string[]) =>
    database.transaction({ synchronousCommit: false }, async (session) => {
      await session.query({
        text: 'set local statement_timeout = 0; set local enable_seqscan = on; set local default_statistics_target = 10',
      });
      for (const sql of statements) await session.query({ text: inSchema(sql, held.schema) });
    });
  const each = (statements: readonly string[]) => statements.map((sql) => [sql]);
  const statements = projection.indexesSql.split(/;\s*/).filter((sql) => sql !== '');
  const indexes = statements.filter((sql) => sql.startsWith('create'));
  const keys = statements.filter((sql) => !indexes.includes(sql));
  const ofSummed = indexes.filter((sql) => summed.some((table) => sql.includes(` on schema.${table} `)));
  const ofOthers = indexes.filter((sql) => !ofSummed.includes(sql));
  await carryOut(undo);
  // While an index is built its table may be read, and other indexes of it may be built.
  await fewAtOnce([sum, ...each(ofOthers)], carryOut);
  await fewAtOnce(each(ofSummed), carryOut);
  await carryOut(keys);
  await fewAtOnce(each(projection.tables.map((table) => `analyze schema.${table}`)), carryOut);
}

async function fewAtOnce<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = [...items];
  const one = async () => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: limits.replayConnectionsPerProjection }, one));
}

export async function dropShadow(database: Database, projection: Projection): Promise<void> {
  await database.transaction({}, async (session) => {
    await lockSchemas(session);
    await dropSchema(session, `${projection.name}_shadow`);
  });
}

/** Only what has a checkpoint is ours to drop. */
export async function dropSchema(session: Session, schema: SchemaName): Promise<void> {
  const dropped = await session.query({ text: 'delete from starling.checkpoints where projection = $1 returning 1', values: [schema] });
  if (dropped.length > 0) await session.query({ text: `drop schema if exists ${schema} cascade` });
}

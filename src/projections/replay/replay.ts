import type { Clock } from '../../clock.ts';
import type { EventLog } from '../../events/event-log.ts';
import { endReaching } from '../../events/proven-tail.ts';
import type { Logger } from '../../logger.ts';
import { applyCommits } from '../apply.ts';
import type { Held } from '../apply.ts';
import { advance, findCheckpoint, replayLock } from '../checkpoints.ts';
import { DatabaseUnavailable } from '../database.ts';
import type { Database, Session } from '../database.ts';
import { migrate } from '../migrate.ts';
import { commitOfPlace, placeOfEvent } from '../places.ts';
import type { Projection } from '../projection.ts';
import type { ProjectionName } from '../read-model.ts';
import { forEachCommit } from './catch-up.ts';
import { compareDigests, digestTable } from './digest.ts';
import type { TableComparison } from './digest.ts';
import { load } from './load.ts';
import { createProgress } from './progress.ts';
import type { ReplayProgress } from './progress.ts';
import { beginShadow, dropShadow, finishShadow } from './shadow.ts';
import { swapIn } from './swap.ts';

// A replay builds projections anew in shadow schemas while the live ones serve: begin, load to exactly where the live rows were read, compare,
// catch up, swap. Killed anywhere before the swap it leaves a shadow that the next one removes; the swap is one transaction. A PostgreSQL that crashes
// empties what was being loaded, which it does not log, and may lose what it took last: nothing that was built across a crash is swapped in.

export interface ReplayOptions {
  readonly projections: readonly Projection[];
  readonly log: EventLog;
  readonly database: Database;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Swap although rows differ. */
  readonly force?: boolean;
  readonly onProgress?: (progress: ReplayProgress) => void;
  /** Events of one transaction while loading. */
  readonly eventsPerBatch?: number;
  readonly signal?: AbortSignal;
}

export interface ProjectionReplay {
  readonly projection: ProjectionName;
  /** `built`: there was nothing to compare with; `not-comparable`: the live rows are of another version, or ahead of the log. */
  readonly outcome: 'equal' | 'different' | 'built' | 'not-comparable';
  /** For people, where `outcome` alone does not say it: "not comparable: 3 → 4". */
  readonly detail?: string;
  readonly tables: readonly TableComparison[];
  readonly swapped: boolean;
}

export interface ReplayReport {
  readonly projections: readonly ProjectionReplay[];
  /** Events read from the log, once for all projections. */
  readonly events: number;
  readonly seconds: number;
}

export class ReplayRunning extends Error {
  readonly code = 'REPLAY_RUNNING';
  override readonly name = 'ReplayRunning';
}

/**
 * Builds projections anew. All that rows depend on is compared before anything is swapped: if one differs, none is, unless forced.
 * @throws {ReplayRunning} when another one runs on this database. @throws {DatabaseOfAnotherLog} @throws {CannotApply} @throws {LogCorrupt}
 */
export function replay(options: ReplayOptions): Promise<ReplayReport> {
  return alone(options.database, async (assertAlone) => {
    // Where somebody dropped the database under a node that runs, not even the schema that all share is there.
    await migrate(options.database);
    return rebuild(options, assertAlone);
  });
}

async function rebuild(options: ReplayOptions, assertAlone: () => Promise<void>): Promise<ReplayReport> {
  const { projections, log, database, clock, logger } = options;
  const signal = options.signal ?? new AbortController().signal;
  const shadows = await Promise.all(projections.map((projection) => beginShadow(database, projection, log)));
  const furthest = Math.max(0, ...shadows.map(({ targetCommit }) => targetCommit));
  const progress = createProgress(clock, furthest, options.onProgress);
  try {
    progress.enter('loading');
    await load(shadows, furthest, { ...options, signal, count: progress.count });
    progress.enter('comparing');
    const compared = await Promise.all(
      shadows.map(async (shadow): Promise<Omit<ProjectionReplay, 'swapped'>> => {
        await finishShadow(database, shadow);
        const projection = shadow.projection.name;
        if (shadow.notComparable !== undefined) return { projection, outcome: 'not-comparable', detail: shadow.notComparable, tables: [] };
        if (shadow.live === undefined) return { projection, outcome: 'built', tables: [] };
        const rebuilt = await Promise.all(shadow.projection.tables.map((table) => digestTable(database, shadow.held.schema, table)));
        const tables = compareDigests(await shadow.live, rebuilt);
        return { projection, outcome: tables.every(({ equal }) => equal) ? 'equal' : 'different', tables };
      }),
    );
    await assertAlone();
    const refused = compared.some(({ outcome }) => outcome === 'different') || shadows.some(({ aheadOfLog }) => aheadOfLog);
    if (!refused || options.force) {
      progress.enter('catching up');
      for (const { projection, held } of shadows) await catchUp(options, projection, held, signal);
      progress.enter('swapping');
      for (const { projection, held } of shadows) {
        await swapIn(database, clock, projection, 'shadow', async (session, place) => {
          await assertAlone();
          await bringUpTo(log, session, projection, held, place, signal);
        });
      }
    } else {
      for (const { projection } of shadows) await dropShadow(database, projection);
    }
    progress.enter('done');
    const swapped = !refused || options.force === true;
    logger.info({ outcomes: compared.map(({ projection, outcome }) => `${projection} ${outcome}`), swapped }, 'replay finished');
    return { projections: compared.map((each) => ({ ...each, swapped })), events: progress.events(), seconds: progress.seconds() };
  } catch (cause) {
    for (const { projection } of shadows) await dropShadow(database, projection).catch(() => undefined);
    throw cause;
  }
}

/** To the end of the log as it is now; what comes meanwhile is left to the swap, which holds it off. */
async function catchUp({ log, database }: ReplayOptions, projection: Projection, held: Held, signal: AbortSignal): Promise<void> {
  const end = (await log.tail())?.position.commit ?? 0;
  await forEachCommit(log, held.place, end, { signal }, (commits) => applyCommits(database, projection, held, commits));
}

/** The last step, inside the transaction of the swap. */
async function bringUpTo(
  log: EventLog,
  session: Session,
  projection: Projection,
  held: Held,
  place: string | null,
  signal: AbortSignal,
): Promise<void> {
  if (place === null) return;
  const live = commitOfPlace(place);
  await forEachCommit(log, held.place, Math.min(live, await endReaching(log, live)), { signal }, async (commits) => {
    const last = commits.at(-1)!;
    const to = String(placeOfEvent(last.commit, last.events.length - 1));
    await advance(session, { projection: held.schema, epoch: held.epoch }, held.place, to);
    await projection.write(session, held.schema, commits);
    held.place = to;
  });
}

/** Puts back the rows from before the last swap, after bringing them up to the log. What was live is kept, so a roll-back can be rolled back. */
export function rollback(
  options: Omit<ReplayOptions, 'force' | 'onProgress'>,
): Promise<{ readonly projections: readonly ProjectionName[] }> {
  return alone(options.database, async (assertAlone) => {
    const { projections, log, database, clock, logger } = options;
    const signal = options.signal ?? new AbortController().signal;
    const kept: { projection: Projection; held: Held }[] = [];
    for (const projection of projections) {
      const schema = `${projection.name}_old` as const;
      const old = await findCheckpoint(database, schema);
      if (old === undefined) throw new Error(`${projection.name}: there are no rows from before a replay to roll back to`);
      if (old.version !== projection.version) {
        throw new Error(
          `${projection.name}: the rows from before the last replay are of version ${old.version}, and this Starling makes version ${projection.version}: ` +
            'roll back with the Starling that made them',
        );
      }
      kept.push({ projection, held: { schema, epoch: old.epoch, place: old.place } });
    }
    for (const { projection, held } of kept) {
      await catchUp(options, projection, held, signal);
      await swapIn(database, clock, projection, 'old', async (session, place) => {
        await assertAlone();
        await bringUpTo(log, session, projection, held, place, signal);
      });
    }
    logger.info({ projections: projections.map(({ name }) => name) }, 'rolled back to the rows from before the last replay');
    return { projections: projections.map(({ name }) => name) };
  });
}

/**
 * One replay or roll-back at a time in a database; the lock ends with the connection that holds it, whatever happens to us. While that connection lives,
 * which `assertAlone` makes sure of, the server has not crashed since.
 */
async function alone<T>(database: Database, work: (assertAlone: () => Promise<void>) => Promise<T>): Promise<T> {
  return database.transaction({}, async (session) => {
    await session.query({ text: 'set local idle_in_transaction_session_timeout = 0' });
    const [lock] = await session.query<{ taken: boolean }>({ text: 'select pg_try_advisory_xact_lock($1) as taken', values: [replayLock] });
    if (!lock!.taken) throw new ReplayRunning('another replay or roll-back is running on this database: wait for its end');
    return work(async () => {
      await session.query({ text: 'select' }).catch((cause: unknown) => {
        throw new DatabaseUnavailable('the connection to PostgreSQL was lost meanwhile: run it again', { cause });
      });
    });
  });
}

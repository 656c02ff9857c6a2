import type { Clock } from '../clock.ts';
import { limits } from '../limits.ts';
import type { Logger } from '../logger.ts';
import { DatabaseUnavailable } from './database.ts';
import type { Database } from './database.ts';
import type { ProjectionName } from './read-model.ts';

// Exactly one node applies a projection, as far as anybody can tell; that a second one would do no harm is the business of the epochs.
//
// A lease is over when its time is, or at once when none of the holder's sessions is left: that is how a killed process is told from a slow one.
// The successor first ends the sessions of the one before: a process that was stopped inside of its transaction would keep its locks.
// (Leases: Gray and Cheriton, 1989.)

/** The name of a node's sessions, by which others see whether it lives. */
export const sessionName = (nodeId: string): string => `starling projections ${nodeId}`;

/** What the holder tells everybody with each renewal. */
export interface LeaseReport {
  readonly eventsPerSecond: number;
  readonly stoppedBy: string | null;
}

export interface Lease {
  /** Aborts when somebody else has it, or should. */
  readonly lost: AbortSignal;
  /** Tells the report now, instead of with the next renewal. */
  report(): Promise<void>;
  /** Gives it up, so that a successor need not wait. */
  release(): Promise<void>;
}

export interface LeaseOptions {
  readonly database: Database;
  readonly projection: ProjectionName;
  /** Of the projection's code: rows of another version are left to a node whose code fits them. */
  readonly version: number;
  readonly nodeId: string;
  readonly clock: Clock;
  readonly logger: Logger;
  describe(): LeaseReport;
  /** Others are not heard: then the log is not either, and whoever hears it shall have the lease. */
  isCutOff(): boolean;
}

/** One try: the lease, renewed until it is lost or released, or undefined while it is not for us. @throws {DatabaseUnavailable} */
export async function acquireLease(options: LeaseOptions): Promise<Lease | undefined> {
  const { database, projection, nodeId, clock, logger, isCutOff } = options;
  if (isCutOff()) return undefined;
  const before = await takeOver(options);
  if (before === 'held') return undefined;
  if (before !== undefined && before !== nodeId) {
    logger.info({ before }, 'took the projection over');
    await endSessions(database, before);
  }
  const lost = new AbortController();
  const released = new AbortController();

  async function renew(): Promise<void> {
    const { eventsPerSecond, stoppedBy } = options.describe();
    const mine = await database.query({
      name: 'renew lease',
      text: `update starling.leases set expires_at = clock_timestamp() + $3 * interval '1 ms', events_per_second = $4, stopped_by = $5
             where projection = $1 and node_id = $2 returning 1`,
      values: [projection, nodeId, limits.leaseMs, eventsPerSecond, stoppedBy],
    });
    if (mine.length > 0) return;
    logger.warn({}, 'the lease of this projection has gone to another node');
    lost.abort();
  }

  /** While the database is away, or broken, nothing is known, and nothing can be written either. */
  const tryToRenew = () => renew().catch((cause: unknown) => logger.warn({ error: String(cause) }, 'the lease could not be renewed'));

  async function keep(): Promise<void> {
    const over = AbortSignal.any([lost.signal, released.signal]);
    while (!over.aborted) {
      await clock.sleep(limits.leaseRenewMs, over);
      if (over.aborted) return;
      if (!isCutOff()) await tryToRenew();
      else {
        logger.warn({}, 'this node is cut off, and leaves this projection to others');
        lost.abort();
      }
    }
  }
  const keeping = keep();

  return {
    lost: lost.signal,
    report: tryToRenew,
    async release() {
      released.abort();
      await keeping;
      await database
        .query({
          text: `update starling.leases set expires_at = '-infinity' where projection = $1 and node_id = $2`,
          values: [projection, nodeId],
        })
        .catch((cause: unknown) => logger.debug({ error: String(cause) }, 'the lease could not be given up, and ends by itself'));
    },
  };
}

/** Who had it before (undefined for nobody); or `held` by somebody who is alive, or for somebody whose code fits the rows. */
async function takeOver({ database, projection, version, nodeId }: LeaseOptions): Promise<string | undefined> {
  return database.transaction({}, async (session) => {
    const others = await session.query({
      text: 'select from starling.checkpoints where projection = $1 and version <> $2',
      values: [projection, version],
    });
    if (others.length > 0) return 'held';
    const seen = `exists (select from pg_stat_activity where application_name = $1 and datname = current_database())`;
    const [self] = await session.query<{ seen: boolean }>({ text: `select ${seen} as seen`, values: [sessionName(nodeId)] });
    const values = [projection, nodeId, limits.leaseMs, self!.seen];
    const made = await session.query({
      text: `insert into starling.leases (projection, node_id, expires_at, seen) values ($1, $2, clock_timestamp() + $3 * interval '1 ms', $4)
             on conflict do nothing returning 1`,
      values,
    });
    if (made.length > 0) return undefined;
    const [found] = await session.query<{ node_id: string; expired: boolean; seen: boolean }>({
      text: 'select node_id, expires_at < clock_timestamp() as expired, seen from starling.leases where projection = $1 for update',
      values: [projection],
    });
    const { node_id: holder, expired } = found!;
    if (holder !== nodeId && !expired) {
      const [alive] = await session.query<{ seen: boolean }>({ text: `select ${seen} as seen`, values: [sessionName(holder)] });
      if (!found!.seen || alive!.seen) return 'held';
    }
    await session.query({
      text: `update starling.leases set node_id = $2, expires_at = clock_timestamp() + $3 * interval '1 ms', seen = $4, stopped_by = null
             where projection = $1`,
      values,
    });
    return holder;
  });
}

/** Whoever may not end them waits until the server does, which is soon: `limits.projectionIdleInTransactionMs`. */
async function endSessions(database: Database, nodeId: string): Promise<void> {
  await database
    .query({
      text: 'select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1 and datname = current_database()',
      values: [sessionName(nodeId)],
    })
    .catch((cause: unknown) => {
      if (cause instanceof DatabaseUnavailable) throw cause;
    });
}

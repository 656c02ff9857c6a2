import type { Clock } from '../clock.ts';
import { LogUnavailable } from '../events/event-log.ts';
import type { EventLog } from '../events/event-log.ts';
import type { Position } from '../events/position.ts';
import { limits } from '../limits.ts';
import type { Logger } from '../logger.ts';
import type { Metrics } from '../metrics.ts';
import { applyCommits } from './apply.ts';
import type { Held } from './apply.ts';
import type { CaughtUp } from './caught-up.ts';
import { claim, ensureLive, FenceLost, findCheckpoint, ProjectionOutdated } from './checkpoints.ts';
import type { Checkpoint } from './checkpoints.ts';
import { openCommitSource } from './commit-source.ts';
import { DatabaseUnavailable } from './database.ts';
import type { Database } from './database.ts';
import { acquireLease } from './lease.ts';
import type { Lease, LeaseReport } from './lease.ts';
import { pauseMsAfter } from './pause.ts';
import { positionOrNull } from './places.ts';
import type { Projection } from './projection.ts';
import { createRate } from './rate.ts';
import type { ProjectionName } from './read-model.ts';
import { statusOfOthers } from './runner-status.ts';
import type { RunnerStatus } from './runner-status.ts';
import { isRebuilding, lagOf } from './statuses.ts';

// A runner is in one of four states:
//   standing by: another node has the lease; it looks again and again whether that is still so;
//   following:   has the lease, owns an epoch, and applies what the log brings; a database or log that is away is waited for, and it goes on from the
//                checkpoint; one that comes back from a crash may stand before what it had, so it is asked before anything else is applied;
//   swapped:     a replay has put other rows in its place; it claims them and follows on from their checkpoint;
//   stopped:     an event cannot be read or applied (`stoppedBy`): it keeps the lease, for others would fare no better, and tries again when other rows
//                are swapped in or the database was away.
// Nothing is ever skipped.

export interface RunningProjection {
  readonly name: ProjectionName;
  status(): Promise<RunnerStatus>;
  /** The database may have crashed and lost the last batches: looks where it stands, and goes on from there. */
  lookAgain(): void;
  /** Lets a running batch finish. */
  stop(): Promise<void>;
}

export interface ProjectionOptions {
  readonly projection: Projection;
  /** Made anew for each start of a process: no two runners of a projection share it. */
  readonly nodeId: string;
  readonly log: EventLog;
  readonly database: Database;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly caughtUp?: CaughtUp;
  /** Told how many events each batch applied, for the reports of this node. */
  readonly onApplied?: (events: number) => void;
  /** This node does not hear the others just now. */
  readonly isCutOff?: () => boolean;
  readonly signal?: AbortSignal;
}

/**
 * Keeps the projection up with the log whenever its lease is free, until stopped.
 * @throws {DatabaseOfAnotherLog} @throws {ProjectionOutdated} @throws {DatabaseUnavailable} when it cannot even begin.
 */
export async function startProjection(options: ProjectionOptions): Promise<RunningProjection> {
  const { projection, nodeId, log, database, clock, metrics, caughtUp, isCutOff = () => false } = options;
  const logger = options.logger.child({ projection: projection.name });
  const stopping = new AbortController();
  const signal = options.signal ? AbortSignal.any([stopping.signal, options.signal]) : stopping.signal;
  const rate = createRate(clock);
  let position: Position | null = null;
  let stoppedBy: string | null = null;
  let failures = 0;
  let looked = new AbortController();
  let lease: Lease | undefined;

  const describe = (): LeaseReport => ({ eventsPerSecond: rate.perSecond(), stoppedBy });
  const claimRows = () => claim(database, projection, log.id, nodeId);
  const acquire = () =>
    acquireLease({ database, projection: projection.name, version: projection.version, nodeId, clock, logger, describe, isCutOff });

  const standsAt = (place: string | null) => {
    position = positionOrNull(log.id, place);
    if (position !== null) caughtUp?.advanced(projection.name, position);
  };

  const follow = async (held: Held, until: AbortSignal) => {
    standsAt(held.place);
    const source = openCommitSource(log, position ?? 'start', { readAheadEvents: 2 * limits.eventsPerProjectionBatchMax, signal: until });
    try {
      for (;;) {
        const commits = await source.take(limits.eventsPerProjectionBatchMax);
        if (commits === undefined) return;
        await applyCommits(database, projection, held, commits).catch((cause: unknown) => {
          // A part may have been applied; but nothing is known of a database that is away, nor of a checkpoint that is no longer where we left it.
          if (!(cause instanceof DatabaseUnavailable || cause instanceof FenceLost)) standsAt(held.place);
          throw cause;
        });
        standsAt(held.place);
        failures = 0;
        const events = commits.reduce((sum, commit) => sum + commit.events.length, 0);
        rate.count(events);
        options.onApplied?.(events);
        metrics.projectedEvents.inc({ projection: projection.name }, events);
        // Under load, batches of a few milliseconds cost far less than one transaction for each commit; what comes after a rest is not delayed.
        if (source.waiting() < limits.eventsPerProjectionBatchMax) await clock.sleep(pauseMsAfter(projection.name, events), until);
      }
    } finally {
      source.close();
    }
  };

  /** The checkpoint as it is now, if it is ours or a swap has made it so; undefined when somebody else owns it. */
  const resume = async (mine: Checkpoint): Promise<Checkpoint | undefined> => {
    const now = await findCheckpoint(database, projection.name);
    if (now?.epoch === mine.epoch) return now;
    const swaps = now === undefined ? 0n : BigInt(now.generation) - BigInt(mine.generation);
    const onlySwaps = now === undefined || (swaps > 0n && swaps === BigInt(now.epoch) - BigInt(mine.epoch));
    return onlySwaps ? claimRows() : undefined;
  };

  /** Returns when the lease is over, somebody else has claimed the rows, or they are no longer of the version that this code makes. */
  const lead = async (held: Lease, first: Checkpoint | undefined) => {
    const over = AbortSignal.any([signal, held.lost]);
    let mine = first;
    let again = false;
    while (!over.aborted) {
      looked = new AbortController();
      try {
        const now: Checkpoint | undefined = mine === undefined ? await claimRows() : again ? await resume(mine) : mine;
        if (now === undefined) return logger.warn({}, 'another process has claimed this projection');
        mine = now;
        again = true;
        await follow({ schema: projection.name, epoch: mine.epoch, place: mine.place }, AbortSignal.any([over, looked.signal]));
        if (!looked.signal.aborted) return;
      } catch (cause) {
        if (cause instanceof FenceLost) logger.info({}, 'the checkpoint has moved');
        else if (isPassing(cause)) await pause(cause, over);
        else if (cause instanceof ProjectionOutdated)
          return logger.warn({ error: cause.message }, 'the rows are for another version of this code');
        else if (!over.aborted) await stop(cause, held, mine, AbortSignal.any([over, looked.signal]));
      }
    }
  };

  const pause = async (cause: Error, until: AbortSignal) => {
    const pauseMs = Math.min(limits.projectionRetryMs * 2 ** failures, limits.projectionRetryMaxMs);
    failures += 1;
    logger.warn({ error: cause.message, pauseMs }, 'waiting for the database or the log');
    await clock.sleep(pauseMs, until);
  };

  /** Until there is a reason to try again. */
  const stop = async (cause: unknown, held: Lease, mine: Checkpoint | undefined, until: AbortSignal) => {
    stoppedBy = cause instanceof Error ? cause.message : String(cause);
    logger.error({ error: stoppedBy }, 'the projection has stopped: an event cannot be read or applied');
    await held.report();
    const swapped = () =>
      findCheckpoint(database, projection.name).then(
        (now) => now?.epoch !== mine?.epoch,
        () => false,
      );
    do await clock.sleep(limits.leaseRenewMs, until);
    while (!until.aborted && !(await swapped()));
    stoppedBy = null;
  };

  const run = async (first: Checkpoint | undefined) => {
    let waiting = false;
    for (let found = first; !signal.aborted; found = undefined) {
      try {
        lease ??= await acquire();
        waiting = false;
      } catch (cause) {
        // Once, however long it takes.
        if (!waiting) logger.warn({ error: String(cause) }, 'waiting for the database');
        waiting = true;
      }
      if (lease === undefined) {
        await clock.sleep(limits.leasePollMs, signal);
        continue;
      }
      await lead(lease, found);
      const before = lease;
      lease = undefined;
      caughtUp?.moved(projection.name);
      await before.release();
      // Whoever was too busy to see that the log has closed must not turn in circles.
      await clock.sleep(limits.leasePollMs, signal);
    }
  };

  await ensureLive(database, projection, log.id);
  lease = await acquire();
  const first =
    lease &&
    (await claimRows().catch(async (cause: unknown) => {
      await lease!.release();
      throw cause;
    }));
  if (first) standsAt(first.place);
  const ended = run(first);

  const lag = async () => lagOf(log, position, (await log.tail())?.position);
  // Looked up for each page, since what matters most is the lag of one that stands still. A log that does not answer says nothing new.
  const forgetPages = metrics.beforePage(async () => {
    if (lease === undefined) return metrics.projectionLag.remove({ projection: projection.name });
    const commits = await lag().catch(() => undefined);
    if (commits !== undefined) metrics.projectionLag.set({ projection: projection.name }, commits);
  });

  return {
    name: projection.name,
    status: async () => {
      if (lease === undefined) return statusOfOthers(database, log, projection.name);
      const [lagCommits, rebuilding] = await Promise.all([
        lag().catch(() => 0),
        isRebuilding(database, projection.name).catch(() => false),
      ]);
      return { name: projection.name, position, lagCommits, eventsPerSecond: rate.perSecond(), stoppedBy, rebuilding, standingBy: false };
    },
    lookAgain: () => looked.abort(),
    stop: async () => {
      stopping.abort();
      forgetPages();
      await ended;
    },
  };
}

function isPassing(cause: unknown): cause is Error {
  return cause instanceof DatabaseUnavailable || cause instanceof LogUnavailable;
}

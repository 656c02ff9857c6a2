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
import { claim, FenceLost, findCheckpoint } from './checkpoints.ts';
import type { Checkpoint } from './checkpoints.ts';
import { openCommitSource } from './commit-source.ts';
import { DatabaseUnavailable } from './database.ts';
import type { Database } from './database.ts';
import { positionOrNull } from './places.ts';
import type { Projection } from './projection.ts';
import { createRate } from './rate.ts';
import type { ProjectionName } from './read-model.ts';

// A runner is in one of three states:
//   following: owns an epoch and applies what the log brings; a database or log that is away is waited for, and it goes on from the checkpoint;
//              one that comes back from a crash may stand before what it had, so it is asked before anything else is applied;
//   swapped:   a replay has put other rows in its place; it claims them and follows on from their checkpoint;
//   stopped:   told to, or somebody else has taken over, or an event cannot be applied (`stoppedBy`). Nothing is ever skipped.

export interface ProjectionStatus {
  readonly name: ProjectionName;
  /** Every event up to it is applied; null before the first. */
  readonly position: Position | null;
  readonly lagCommits: number;
  /** Over the last seconds. */
  readonly eventsPerSecond: number;
  /** Why it stands still although it should not: what could not be applied, or who took over. */
  readonly stoppedBy: string | null;
  /** A replay builds it anew beside. */
  readonly rebuilding: boolean;
}

export interface RunningProjection {
  readonly name: ProjectionName;
  status(): Promise<ProjectionStatus>;
  /** For who replays it in this process. */
  setRebuilding(rebuilding: boolean): void;
  /** The database may have crashed and lost the last batches: looks where it stands, and goes on from there. */
  lookAgain(): void;
  /** Lets a running batch finish. */
  stop(): Promise<void>;
}

export interface ProjectionOptions {
  readonly projection: Projection;
  readonly log: EventLog;
  readonly database: Database;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly caughtUp?: CaughtUp;
  /** Told how many events each batch applied, for the reports of this node. */
  readonly onApplied?: (events: number) => void;
  readonly signal?: AbortSignal;
}

/**
 * Claims the projection and keeps it up with the log until stopped.
 * @throws {DatabaseOfAnotherLog} @throws {ProjectionOutdated} @throws {DatabaseUnavailable} when it cannot even begin.
 */
export async function startProjection(options: ProjectionOptions): Promise<RunningProjection> {
  const { projection, log, database, clock, metrics, caughtUp } = options;
  const logger = options.logger.child({ projection: projection.name });
  const stopping = new AbortController();
  const signal = options.signal ? AbortSignal.any([stopping.signal, options.signal]) : stopping.signal;
  const rate = createRate(clock);
  let position: Position | null = null;
  let stoppedBy: string | null = null;
  let rebuilding = false;
  let failures = 0;
  let looked = new AbortController();

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
          // A part may have been applied; but of a database that is away nothing is known.
          if (!(cause instanceof DatabaseUnavailable)) standsAt(held.place);
          throw cause;
        });
        standsAt(held.place);
        failures = 0;
        const events = commits.reduce((sum, commit) => sum + commit.events.length, 0);
        rate.count(events);
        options.onApplied?.(events);
        metrics.projectedEvents.inc({ projection: projection.name }, events);
        // Under load, batches of a few milliseconds cost far less than one transaction for each commit; what comes after a rest is not delayed.
        if (source.waiting() < limits.eventsPerProjectionBatchMax) await clock.sleep(limits.projectionPauseMs[projection.name], until);
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
    return onlySwaps ? claim(database, projection, log.id) : undefined;
  };

  const run = async (first: Checkpoint) => {
    let mine = first;
    let again = false;
    while (!signal.aborted) {
      looked = new AbortController();
      try {
        const now = again ? await resume(mine) : first;
        if (now === undefined) {
          stoppedBy = 'another process has taken over';
          logger.warn({}, 'another process has taken this projection over');
          return;
        }
        mine = now;
        again = true;
        await follow({ schema: projection.name, epoch: mine.epoch, place: mine.place }, AbortSignal.any([signal, looked.signal]));
        if (!looked.signal.aborted) return;
      } catch (cause) {
        if (cause instanceof FenceLost) {
          logger.info({}, 'the checkpoint has moved');
        } else if (cause instanceof DatabaseUnavailable || cause instanceof LogUnavailable) {
          const pauseMs = Math.min(limits.projectionRetryMs * 2 ** failures, limits.projectionRetryMaxMs);
          failures += 1;
          logger.warn({ error: cause.message, pauseMs }, 'waiting for the database or the log');
          await clock.sleep(pauseMs, signal);
        } else if (!signal.aborted) {
          stoppedBy = cause instanceof Error ? cause.message : String(cause);
          logger.error({ error: stoppedBy }, 'the projection has stopped: an event cannot be read or applied');
          return;
        }
      }
    }
  };

  const first = await claim(database, projection, log.id);
  standsAt(first.place);
  const ended = run(first);

  const lag = async () => Math.max(0, ((await log.tail())?.position.commit ?? 0) - (position?.commit ?? 0));
  // Looked up for each page, since what matters most is the lag of one that stands still. A log that does not answer says nothing new.
  const forgetPages = metrics.beforePage(async () => {
    const commits = await lag().catch(() => undefined);
    if (commits !== undefined) metrics.projectionLag.set({ projection: projection.name }, commits);
  });

  return {
    name: projection.name,
    status: async () => {
      const lagCommits = await lag().catch(() => 0);
      return { name: projection.name, position, lagCommits, eventsPerSecond: rate.perSecond(), stoppedBy, rebuilding };
    },
    setRebuilding: (now) => {
      rebuilding = now;
    },
    lookAgain: () => looked.abort(),
    stop: async () => {
      stopping.abort();
      forgetPages();
      await ended;
    },
  };
}

import type { Clock } from '../clock.ts';
import { comparePositions } from '../events/position.ts';
import type { Position } from '../events/position.ts';
import { limits } from '../limits.ts';
import type { ProjectionName, ReadModel } from './read-model.ts';

/** Read-your-writes: one poller per process, that runs only while somebody waits. */
export interface CaughtUp {
  /** True once all of `projections` have applied every event up to `position`; false after `timeoutMs`. */
  waitFor(projections: readonly ProjectionName[], position: Position, timeoutMs: number): Promise<boolean>;
  /** A hint from a projection in the same process where it stands now: saves a poll. */
  advanced(projection: ProjectionName, position: Position): void;
  /** The projection runs in this process no longer, and is asked for as often as any other. */
  moved(projection: ProjectionName): void;
  /**
   * The database may have crashed and lost what projections had done last. Nothing counts, read or told, until it is back: what is left of the old
   * one may still answer.
   */
  databaseLost(): void;
  /** What is asked or told from now on counts. */
  databaseBack(): void;
  /** Whoever still waits gets false. */
  close(): void;
}

interface Waiter {
  readonly projections: readonly ProjectionName[];
  readonly position: Position;
  readonly deadline: number;
  readonly answer: (reached: boolean) => void;
}

export function createCaughtUp(options: { readModel: Pick<ReadModel, 'position'>; clock: Clock }): CaughtUp {
  const { readModel, clock } = options;
  /** A map of its own for each life of the database, so that what the one before still answers goes nowhere; undefined while it is lost. */
  let known: Map<ProjectionName, Position> | undefined = new Map();
  // A projection that runs in this process tells by itself; it is asked seldom, in case it moves elsewhere.
  const hinted = new Set<ProjectionName>();
  const waiters = new Set<Waiter>();
  const closing = new AbortController();
  let polling = false;
  // When a projection was last seen to move, or somebody began to wait: one that stands still is asked less and less often.
  let movedAt = 0;

  const reached = (projections: readonly ProjectionName[], position: Position) =>
    projections.every((projection) => {
      const at = known?.get(projection);
      return at !== undefined && comparePositions(at, position) >= 0;
    });

  const answer = (waiter: Waiter, outcome: boolean) => {
    waiters.delete(waiter);
    waiter.answer(outcome);
  };

  const answerReached = () => {
    for (const waiter of waiters) if (reached(waiter.projections, waiter.position)) answer(waiter, true);
  };

  const askAll = async () => {
    const wanted = new Set([...waiters].flatMap(({ projections }) => projections));
    for (const projection of wanted) {
      const life = known;
      if (life === undefined) continue;
      const before = life.get(projection);
      // A database that is away is no answer: whoever waits goes on waiting, within the time-out.
      const position = await readModel.position(projection).catch(() => null);
      // A hint that came meanwhile is newer.
      if (position === null || life.get(projection) !== before) continue;
      if (before === undefined || comparePositions(position, before) !== 0) movedAt = clock.monotonicMs();
      life.set(projection, position);
    }
    return [...wanted].every((projection) => hinted.has(projection));
  };

  const poll = async () => {
    polling = true;
    movedAt = clock.monotonicMs();
    // Most are told by a hint before the first poll.
    let pauseMs: number = hinted.size > 0 ? limits.caughtUpHintedPollMs : 0;
    while (waiters.size > 0 && !closing.signal.aborted) {
      const now = clock.monotonicMs();
      const untilDeadline = Math.min(...[...waiters].map(({ deadline }) => deadline - now));
      await clock.sleep(Math.max(0, Math.min(pauseMs, untilDeadline)), closing.signal);
      if (waiters.size === 0) break;
      const allHinted = await askAll();
      const quietMs = (clock.monotonicMs() - movedAt) / limits.caughtUpQuietShare;
      pauseMs = allHinted ? limits.caughtUpHintedPollMs : Math.min(Math.max(limits.caughtUpPollMs, quietMs), limits.caughtUpHintedPollMs);
      answerReached();
      const later = clock.monotonicMs();
      for (const waiter of waiters) if (later >= waiter.deadline) answer(waiter, false);
    }
    polling = false;
    for (const waiter of waiters) answer(waiter, false);
  };

  return {
    waitFor: (projections, position, timeoutMs) => {
      if (reached(projections, position)) return Promise.resolve(true);
      if (closing.signal.aborted) return Promise.resolve(false);
      return new Promise((resolve) => {
        waiters.add({ projections, position, deadline: clock.monotonicMs() + timeoutMs, answer: resolve });
        if (!polling) void poll();
      });
    },
    advanced: (projection, position) => {
      hinted.add(projection);
      known?.set(projection, position);
      answerReached();
    },
    moved: (projection) => void hinted.delete(projection),
    databaseLost: () => (known = undefined),
    databaseBack: () => (known = new Map()),
    close: () => closing.abort(),
  };
}

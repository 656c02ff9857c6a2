import type { Clock } from '../clock.ts';
import { limits } from '../limits.ts';
import type { Logger } from '../logger.ts';
import type { CaughtUp } from './caught-up.ts';
import type { Database } from './database.ts';
import type { RunningProjection } from './runner.ts';

export interface DatabaseWatch {
  stop(): Promise<void>;
}

/**
 * Holds one connection open, and tells who knows where projections stand when it breaks and when there is a new one. Projections do not wait for
 * the disk of the database, since they can repeat: a server that crashes loses their last moments, and what was known of them has to be asked anew.
 * @throws {DatabaseUnavailable} when it cannot even begin.
 */
export async function watchDatabase(options: {
  database: Database;
  clock: Clock;
  logger: Logger;
  caughtUp: Pick<CaughtUp, 'databaseLost' | 'databaseBack'>;
  /** Those that run in this process. */
  projections: readonly Pick<RunningProjection, 'lookAgain'>[];
}): Promise<DatabaseWatch> {
  const { database, clock, logger, caughtUp, projections } = options;
  const stopping = new AbortController();
  const { signal } = stopping;
  const stopped = new Promise<void>((resolve) => void signal.addEventListener('abort', () => resolve(), { once: true }));

  /** Nobody speaks on this channel; what counts is the connection. */
  const connect = async () => {
    let onBroken = () => {};
    const broken = new Promise<void>((resolve) => (onBroken = resolve));
    const close = await database.listen('starling_watch', () => {}, onBroken);
    return { broken, close };
  };

  const connectAgain = async () => {
    for (let pauseMs: number = limits.projectionRetryMs; !signal.aborted; pauseMs = Math.min(2 * pauseMs, limits.projectionRetryMaxMs)) {
      try {
        return await connect();
      } catch (cause) {
        logger.debug({ error: String(cause) }, 'the database cannot be watched');
        await clock.sleep(pauseMs, signal);
      }
    }
    return undefined;
  };

  const back = () => {
    caughtUp.databaseBack();
    for (const projection of projections) projection.lookAgain();
  };

  const watch = async (first: Awaited<ReturnType<typeof connect>>) => {
    for (let connection: typeof first | undefined = first; connection !== undefined; connection = await connectAgain()) {
      if (connection !== first) back();
      await Promise.race([connection.broken, stopped]);
      await connection.close();
      if (!signal.aborted) caughtUp.databaseLost();
    }
  };
  const watching = watch(await connect());

  return {
    stop: async () => {
      stopping.abort();
      await watching;
    },
  };
}

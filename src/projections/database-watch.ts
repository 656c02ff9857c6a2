import type { Clock } from '../clock.ts';
import { limits } from '../limits.ts';
import type { Logger } from '../logger.ts';
import type { Database } from './database.ts';

export interface DatabaseWatch {
  stop(): Promise<void>;
}

/**
 * Holds one connection open and calls `onLost` when it breaks, and `onBack` when there is a new one. Projections do not wait for the disk of the
 * database, since they can repeat: a server that crashes loses their last moments, and what was known of them has to be asked anew.
 * @throws {DatabaseUnavailable} when it cannot even begin.
 */
export async function watchDatabase(options: {
  database: Database;
  clock: Clock;
  logger: Logger;
  onLost: () => void;
  onBack: () => void;
}): Promise<DatabaseWatch> {
  const { database, clock, logger, onLost, onBack } = options;
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

  const watch = async (first: Awaited<ReturnType<typeof connect>>) => {
    for (let connection: typeof first | undefined = first; connection !== undefined; connection = await connectAgain()) {
      if (connection !== first) onBack();
      await Promise.race([connection.broken, stopped]);
      await connection.close();
      if (!signal.aborted) onLost();
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

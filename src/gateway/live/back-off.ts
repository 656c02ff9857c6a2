import type { Clock } from '../../clock.ts';
import { limits } from '../../limits.ts';
import type { Logger } from '../../logger.ts';

/** Does `work` until it succeeds or the signal is aborted; waits longer after each failure. Never rejects. */
export type Insist = (what: string, work: () => Promise<void>) => Promise<void>;

export function createBackOff(options: { clock: Clock; logger: Logger; signal: AbortSignal }): Insist {
  const { clock, logger, signal } = options;
  return async (what, work) => {
    let waitMs: number = limits.liveFeedBackOffMs;
    while (!signal.aborted) {
      const began = clock.monotonicMs();
      try {
        return await work();
      } catch (error) {
        if (signal.aborted) return;
        logger.warn({ err: error, waitMs }, `the live feed could not ${what}; it tries again`);
      }
      // What has worked for a while has not failed again, but anew.
      if (clock.monotonicMs() - began > limits.liveFeedBackOffMaxMs) waitMs = limits.liveFeedBackOffMs;
      await clock.sleep(waitMs, signal);
      waitMs = Math.min(waitMs * 2, limits.liveFeedBackOffMaxMs);
    }
  };
}

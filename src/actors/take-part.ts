import type { Clock } from '../clock.ts';
import { LogUnavailable } from '../events/event-log.ts';
import { limits } from '../limits.ts';
import type { Logger } from '../logger.ts';
import { beginRun, endRun } from './runs.ts';
import type { Run } from './runs.ts';

/**
 * Takes part in a run for as long as the node lives. While the log takes nothing, on a full disk say, the run begins later: what is there can be
 * read meanwhile, and no command can be carried out before. Events of the moments in between count for the run before.
 */
export async function takePartInRun(
  ports: Parameters<typeof beginRun>[0] & { readonly clock: Clock; readonly logger: Logger },
): Promise<{ stop(): Promise<void> }> {
  const stopping = new AbortController();
  let run: Run | undefined;
  const begun = async (): Promise<boolean> => {
    try {
      run = await beginRun(ports);
      return true;
    } catch (error) {
      if (!(error instanceof LogUnavailable)) throw error;
      ports.logger.warn({ err: error }, 'the log takes nothing: the run begins when it does');
      return false;
    }
  };
  const later = async (): Promise<void> => {
    do await ports.clock.sleep(limits.runRetryMs, stopping.signal);
    while (!stopping.signal.aborted && !(await begun()));
  };
  const beginning = (await begun())
    ? Promise.resolve()
    : later().catch((error: unknown) => ports.logger.error({ err: error }, 'the run could not be begun: events count for the one before'));
  return {
    async stop() {
      stopping.abort();
      await beginning;
      if (run) await endRun({ ...ports, run: run.id });
    },
  };
}

import type { Clock } from '../../clock.ts';
import { limits } from '../../limits.ts';

/** Waits until every gateway says that it is ready; false when the signal came first. */
export async function waitUntilReady(ports: readonly number[], clock: Clock, signal: AbortSignal): Promise<boolean> {
  for (const port of ports) {
    while (!(await isReady(port, signal))) {
      if (signal.aborted) return false;
      await clock.sleep(limits.clusterReadyPollMs, signal);
    }
  }
  return !signal.aborted;
}

async function isReady(port: number, signal: AbortSignal): Promise<boolean> {
  try {
    // One that stands still accepts and never answers.
    return (await fetch(`http://127.0.0.1:${port}/readyz`, { signal })).ok;
  } catch {
    return false;
  }
}

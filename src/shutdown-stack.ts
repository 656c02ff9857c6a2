import type { Logger } from './logger.ts';

/** What was started, to be stopped in reverse order. */
export interface ShutdownStack {
  push(name: string, stop: () => Promise<unknown> | void): void;
  /** Stops everything, the last first; what fails is logged and keeps nothing else from stopping. Again: the same promise. */
  stop(): Promise<void>;
}

export function createShutdownStack(logger: Logger): ShutdownStack {
  const parts: { readonly name: string; readonly stop: () => Promise<unknown> | void }[] = [];
  const stopAll = async (): Promise<void> => {
    for (let part = parts.pop(); part !== undefined; part = parts.pop()) {
      try {
        await part.stop();
        logger.debug({ part: part.name }, 'stopped');
      } catch (error) {
        logger.error({ part: part.name, error: String(error) }, 'did not stop cleanly');
      }
    }
  };
  let stopping: Promise<void> | undefined;
  return {
    push: (name, stop) => void parts.push({ name, stop }),
    stop: () => (stopping ??= stopAll()),
  };
}

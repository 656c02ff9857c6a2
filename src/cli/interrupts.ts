import { setMaxListeners } from 'node:events';
import type { Clock } from '../clock.ts';
import { limits } from '../limits.ts';
import type { Terminal } from './terminal.ts';

/** Ctrl-C and friends: the first asks to stop, a second one, a little later, insists. */
export interface Interrupts {
  readonly signal: AbortSignal;
  dispose(): void;
}

const stopSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export function watchInterrupts(terminal: Terminal, clock: Clock): Interrupts {
  const controller = new AbortController();
  // An import waits on it once for each command in flight.
  setMaxListeners(0, controller.signal);
  let first: number | undefined;
  const onSignal = (name: NodeJS.Signals): void => {
    if (first === undefined) {
      first = clock.monotonicMs();
      controller.abort(new Error(`stopped by ${name}`));
    } else if (clock.monotonicMs() - first >= limits.secondSignalAfterMs) {
      terminal.say('stopped by force');
      process.exit(130);
    }
  };
  for (const name of stopSignals) process.on(name, onSignal);
  return {
    signal: controller.signal,
    dispose: () => {
      for (const name of stopSignals) process.off(name, onSignal);
    },
  };
}

/** Resolves when the signal aborts. */
export async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

import { serveCalls, tellProgress } from './calls.ts';
import { measureFanOut } from './fan-out.ts';
import type { FanOutOptions } from './fan-out.ts';

// The gateway that pushes has this process to itself; the sockets' other ends are in further ones.
const handlers = {
  measure: (options: Omit<FanOutOptions, 'progress'>) =>
    measureFanOut({ ...options, progress: (text) => tellProgress(`fan-out: ${text}`) }),
};
export type FanOutCalls = typeof handlers;

serveCalls(handlers);

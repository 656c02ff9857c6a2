import type { Clock } from '../clock.ts';
import { LinkedList } from '../linked-list.ts';

/** Time-outs of many requests over one timer: most are cancelled within a millisecond, and a timer for each would cost more than the request. */
export interface Deadlines {
  /** Calls `expire` once, at the earliest after `ms` and at most one step later; the function that comes back cancels. */
  add(ms: number, expire: () => void): () => void;
  /** Forgets all, without calling back. */
  close(): void;
}

/** Deadlines are rounded up to steps, so that a thousand of them share an entry. */
const stepMs = 8;

export function createDeadlines(clock: Clock): Deadlines {
  const steps = new Map<number, LinkedList<() => void>>();
  let wakeAt = Infinity;
  let sleeping = new AbortController();
  let closed = false;

  async function watch(): Promise<void> {
    while (!closed && steps.size > 0) {
      wakeAt = Math.min(...steps.keys());
      sleeping = new AbortController();
      await clock.sleep(Math.max(0, wakeAt - clock.monotonicMs()), sleeping.signal);
      const now = clock.monotonicMs();
      for (const [step, entries] of [...steps]) {
        if (step <= now) for (const expire of entries.drain()) expire();
        if (entries.isEmpty) steps.delete(step);
      }
    }
    wakeAt = Infinity;
  }

  return {
    add(ms, expire) {
      if (closed) return () => {};
      const step = Math.ceil((clock.monotonicMs() + ms) / stepMs) * stepMs;
      let entries = steps.get(step);
      if (entries === undefined) steps.set(step, (entries = new LinkedList()));
      const link = entries.add(expire);
      if (wakeAt === Infinity) void watch();
      else if (step < wakeAt) sleeping.abort();
      // The timer and the step stay: when it wakes it finds nothing to do, which is cheaper than stopping and starting it.
      return () => entries.remove(link);
    },
    close() {
      closed = true;
      steps.clear();
      sleeping.abort();
    },
  };
}

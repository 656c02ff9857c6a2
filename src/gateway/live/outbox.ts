import type { Writable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock } from '../../clock.ts';
import { limits } from '../../limits.ts';

/**
 * Holds back what is written to a connection until the turn is over, so that all of it leaves in one system call: those are most of what a push
 * costs, and when posts come faster than they go out, several of them share one. Sending goes on turn by turn, so that nobody else has to wait for all.
 */
export function createOutbox(clock: Clock) {
  const held = new Set<Writable>();
  let sending = false;

  async function send(): Promise<void> {
    let began = clock.monotonicMs();
    let sent = 0;
    // The set may grow meanwhile: who writes again after having been sent stands at its end.
    for (const stream of held) {
      held.delete(stream);
      stream.uncork();
      sent += 1;
      if (sent % 64 !== 0 || clock.monotonicMs() - began < limits.liveFeedSliceMs) continue;
      await nextTurn();
      began = clock.monotonicMs();
    }
    sending = false;
  }

  return {
    hold(stream: Writable): void {
      if (held.has(stream)) return;
      held.add(stream);
      stream.cork();
      if (sending) return;
      sending = true;
      process.nextTick(() => void send());
    },
  };
}

export type Outbox = ReturnType<typeof createOutbox>;

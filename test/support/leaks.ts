import { eventually } from './wait-for.ts';

// Timers are left out: the runner has some of its own that come and go. A manual clock counts those of our code, see `sleepers`.
/** What ends by itself, or belongs to the test runner. */
const ignored = new Set([
  'Immediate',
  'TickObject',
  'FSReqPromise',
  'FSReqCallback',
  'CloseReq',
  'TTYWrap',
  'MessagePort',
  'RANDOMBYTESREQUEST',
]);

/**
 * Remembers which sockets, servers and child processes there are; `expectNone` fails when more of a kind are left after a while.
 * Call it first in a test, `expectNone` after everything is closed.
 */
export function watchLeaks(): { expectNone(timeoutMs?: number): Promise<void> } {
  const before = resources();
  return {
    async expectNone(timeoutMs = 3_000) {
      await eventually(
        () => {
          const left = [...resources()].filter(([kind, count]) => count > (before.get(kind) ?? 0));
          if (left.length > 0) throw new Error(left.map(([kind, count]) => `${count - (before.get(kind) ?? 0)} more ${kind}`).join(', '));
          return true;
        },
        'nothing is left open',
        timeoutMs,
      );
    },
  };
}

function resources(): Map<string, number> {
  const counts = new Map<string, number>();
  for (const kind of process.getActiveResourcesInfo()) {
    if (!ignored.has(kind)) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return counts;
}

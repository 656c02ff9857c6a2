import type { Clock } from '../clock.ts';

// WHEN A TRY OF A COMMAND IS OVER, and why no clock of the sender says so.
//
// A rejection is not remembered. So whoever lost sight of one try, and hears a rejection to the next, must be sure that the lost one cannot
// be carried out any more: it may lie in the socket of a node that stands still, and wake up with it. The receiver is the only one who can
// refuse it, and clocks of two nodes may be minutes apart. So a deadline is told in the clocks of the receiver: its heartbeats carry them, and
// a heartbeat that took a while to arrive makes them look too early, never too late. When the sender's time for a try is over, so is its
// deadline at the receiver, however long it was on its way, waited in a mailbox, or stood still together with the process.
//
// It is asked after the actor has read its stream and before it appends. An append that leaves later, decided in time on version v, is harmless:
// a rejection that was decided on v as well would be the same decision, and one that was decided later stands on a longer stream, on which
// the append fails.
//
// What this rests on: clocks that run at the same speed within one in a thousand (`limits.commandDriftMs`), and that one of the two of a node goes on
// while its process stands still. The monotonic one does when the process was stopped, the one on the wall is put right after a machine slept.

/** A moment in both clocks of the node that is asked: past either of them the try is over. */
export interface Deadline {
  readonly monotonicMs: number;
  /** Milliseconds since the epoch. */
  readonly wallMs: number;
}

export function isOver(deadline: Deadline, clock: Clock): boolean {
  return clock.monotonicMs() > deadline.monotonicMs || clock.now() > deadline.wallMs;
}

/** What the clocks of a node show. */
export function clocksOf(clock: Clock): Deadline {
  return { monotonicMs: clock.monotonicMs(), wallMs: clock.now() };
}

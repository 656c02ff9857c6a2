import { commandFormats, newestFormat } from '../../src/actors/envelope.ts';
import type { Membership } from '../../src/actors/runtime/members.ts';
import { clocksOf } from '../../src/actors/deadline.ts';
import type { Clock } from '../../src/clock.ts';

/** A cluster in which nothing ever happens: this node serves everybody, until it leaves. */
export function fixedMembership(clock: Clock, nodeId = 'only'): Membership {
  const never = new AbortController().signal;
  let serves = true;
  return {
    nodeId,
    members: () => [],
    ownerOf() {
      const { monotonicMs, wallMs } = clocksOf(clock);
      return serves ? { id: nodeId, ahead: { monotonicMs: 0, wallMs: wallMs - monotonicMs } } : undefined;
    },
    owns: () => serves,
    isCutOff: () => false,
    isAnswering: () => true,
    lossesOf: () => 0,
    understood: () => ({ events: 1, messages: newestFormat(commandFormats) }),
    onChange: () => () => {},
    nextChange: () => never,
    settled: () => Promise.resolve(),
    serve() {},
    takePartIn() {},
    leave() {
      serves = false;
    },
    stop: () => Promise.resolve(),
  };
}

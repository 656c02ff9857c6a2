import { expect } from 'vitest';
import type { Command, Rejection } from '../../../src/actors/commands.ts';
import type { Deadline } from '../../../src/actors/deadline.ts';
import { clocksOf } from '../../../src/actors/deadline.ts';
import type { Clock } from '../../../src/clock.ts';
import { decide, evolve, initial } from '../../../src/actors/user/user.ts';
import type { UserEvent } from '../../../src/events/event-types.ts';
import type { Handle, PostId, UserId } from '../../../src/events/ids.ts';

// People and things of which the tests tell.
export const ann = '0a0a0a0a-0000-5000-8000-000000000001' as UserId;
export const bob = '0b0b0b0b-0000-5000-8000-000000000002' as UserId;
export const post1 = '01890000-0000-7000-8000-000000000001' as PostId;
export const post2 = '01890000-0000-7000-8000-000000000002' as PostId;

export const annRegistered: UserEvent = { type: 'UserRegistered', handle: 'ann' as Handle, name: 'Ann', passwordHash: '$argon2id$1' };
export const registerAnn: Command = { type: 'RegisterUser', handle: 'ann' as Handle, name: 'Ann', passwordHash: '$argon2id$2' };

/** A deadline of whoever has this clock. */
export function deadlineIn(clock: Clock, ms: number): Deadline {
  const { monotonicMs, wallMs } = clocksOf(clock);
  return { monotonicMs: monotonicMs + ms, wallMs: wallMs + ms };
}

/** Sentences about Ann: `given(annRegistered).when(follow).isAcceptedWith(followed)`. */
export function given(...events: readonly UserEvent[]) {
  return {
    when(command: Command) {
      const decision = decide(command, events.reduce(evolve, initial(ann)));
      return {
        isRejectedWith: (rejection: Rejection) => expect(decision).toEqual({ accepted: false, rejection }),
        isAcceptedWith: (...recorded: readonly UserEvent[]) => expect(decision).toEqual({ accepted: true, events: recorded }),
        isAcceptedWithNothingToRecord: () => expect(decision).toEqual({ accepted: true, events: [] }),
      };
    },
  };
}

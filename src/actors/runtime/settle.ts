import assert from 'node:assert/strict';
import type { NewCommit, NonEmpty } from '../../events/event-log.ts';
import type { UserEvent } from '../../events/event-types.ts';
import type { Position } from '../../events/position.ts';
import type { Answer, Command, CommandEnvelope } from '../commands.ts';
import { fingerprintOf } from '../fingerprint.ts';
import { decide } from '../user/user.ts';
import type { Recollection } from './recollection.ts';

/** The events that a command comes to, or an answer that needs none. */
export function settle({ command, clientChose }: CommandEnvelope, known: Recollection): Answer | NonEmpty<UserEvent> {
  const decision = decide(command, known.state);
  if (!decision.accepted) return { outcome: 'rejected', rejection: decision.rejection };
  const [first, ...others] = decision.events;
  if (first !== undefined) return [first, ...others];
  if (clientChose) return [{ type: 'CommandNoted' }];
  assert(known.head !== 'no-stream', 'a user without a stream accepts nothing but an event');
  return acceptedAt(known.head.position, command, true);
}

/** `now`: milliseconds since the epoch. Clocks go back, and nodes disagree; within a stream time does not. */
export function commitOf(
  { command, commandId }: CommandEnvelope,
  known: Recollection,
  events: NonEmpty<UserEvent>,
  now: number,
): NewCommit {
  return { events, time: Math.max(now, known.time), metadata: { commandId, fingerprint: fingerprintOf(command) } };
}

export function acceptedAt(position: Position, command: Command, repeated = false): Answer {
  const accepted = { outcome: 'accepted', position, repeated } as const;
  return command.type === 'CreatePost' ? { ...accepted, postId: command.postId } : accepted;
}

import type { UserEvent } from '../events/event-types.ts';
import type { Rejection } from './commands.ts';

/** What a decider answers: a no, or the events that make the wish true (none when it is true already). */
export type Decision =
  | { readonly accepted: true; readonly events: readonly UserEvent[] }
  | { readonly accepted: false; readonly rejection: Rejection };

const nothingToRecord: Decision = { accepted: true, events: [] };

export function accept(...events: UserEvent[]): Decision {
  return events.length === 0 ? nothingToRecord : { accepted: true, events };
}

export function reject(rejection: Rejection): Decision {
  return { accepted: false, rejection };
}

import type { Command, Rejection } from '../actors/commands.ts';
import { parseCommandId } from '../events/ids.ts';
import type { CommandId, PostId, UserId } from '../events/ids.ts';
import type { Position } from '../events/position.ts';
import { limits } from '../limits.ts';
import type { Context } from './context.ts';
import { apiError, badUserInput, unauthenticated, userError } from './errors.ts';
import type { UserError } from './errors.ts';
import { reach } from './waiting.ts';

/** What a command came to, once it is known for sure; every other end is thrown. */
export type Outcome =
  | {
      readonly accepted: true;
      readonly position: Position;
      readonly commandId: CommandId;
      readonly repeated: boolean;
      readonly postId?: PostId;
    }
  | { readonly accepted: false; readonly rejection: Rejection; readonly commandId: CommandId };

/**
 * Sends a command to a user's actor. @throws TIMEOUT when the outcome is unknown: with `commandId`, for the client to repeat it. @throws OVERLOADED when
 * it was certainly not carried out and may be later: the actor is busy, its node leaves, or the log takes nothing (a full disk).
 */
export async function send(context: Context, userId: UserId, command: Command, commandId: string | null | undefined): Promise<Outcome> {
  const sent = await context.services.commands.send(userId, command, chosenId(commandId));
  const { answer } = sent;
  switch (answer.outcome) {
    case 'accepted':
      return { accepted: true, ...answer, commandId: sent.commandId };
    case 'rejected':
      return { accepted: false, rejection: answer.rejection, commandId: sent.commandId };
    case 'overloaded':
      throw apiError('OVERLOADED', 'Too much is waiting for this account. Try again.', {
        commandId: sent.commandId,
        retryAfterMs: answer.retryAfterMs,
      });
    case 'unavailable': {
      const message = 'Nothing can be written at the moment, and nothing was. Try again.';
      throw apiError('OVERLOADED', message, { commandId: sent.commandId, retryAfterMs: limits.retryAfterUnavailableMs });
    }
    case 'unknown':
      throw apiError('TIMEOUT', 'No answer came in time, so the outcome is unknown. Repeat it with this commandId.', {
        commandId: sent.commandId,
      });
  }
}

/** `send` for the viewer. @throws UNAUTHENTICATED also when the session is one of a user that is gone. */
export async function act(context: Context, command: Command, commandId: string | null | undefined): Promise<Outcome> {
  const outcome = await send(context, viewerOf(context), command, commandId);
  // Whether others exist was checked before: it can only be the viewer who does not.
  if (!outcome.accepted && outcome.rejection === 'user-not-found') throw unauthenticated();
  return outcome;
}

/** @throws UNAUTHENTICATED */
export function viewerOf(context: Context): UserId {
  if (context.viewerId === null) throw unauthenticated();
  return context.viewerId;
}

function chosenId(text: string | null | undefined): { commandId?: CommandId } {
  if (text === null || text === undefined) return {};
  const commandId = parseCommandId(text);
  if (commandId === undefined) throw badUserInput(`A commandId has 1 to ${limits.commandIdLengthMax} printable characters.`);
  return { commandId };
}

/** What all payloads of commands have in common. Its other fields wait by themselves until the read model shows the outcome. */
export class Payload {
  readonly commandId: CommandId | null;
  readonly position: Position | null;
  readonly userErrors: readonly UserError[];
  #settled: Promise<void> | undefined;

  constructor(outcome: { commandId?: CommandId; position?: Position; userErrors?: readonly UserError[] }) {
    this.commandId = outcome.commandId ?? null;
    this.position = outcome.position ?? null;
    this.userErrors = outcome.userErrors ?? [];
  }

  /** @throws NOT_CAUGHT_UP: the field becomes null with this error on its path, while `position` says that it was done. */
  settled(context: Context): Promise<void> {
    return (this.#settled ??= reach(context.services, ['network'], this.position));
  }
}

/** The payload of an outcome. `field`: what a rejection is about, unless it is about the id of the command. */
export function payloadFields(outcome: Outcome, ...field: string[]): ConstructorParameters<typeof Payload>[0] {
  if (outcome.accepted) return { commandId: outcome.commandId, position: outcome.position };
  const about = outcome.rejection === 'command-id-reused' ? ['input', 'commandId'] : field;
  return { commandId: outcome.commandId, userErrors: [userError(outcome.rejection, ...about)] };
}

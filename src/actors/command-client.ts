import type { NonEmpty } from '../events/event-log.ts';
import type { CommandId, UserId } from '../events/ids.ts';
import type { Answer, Command } from './commands.ts';

/** What senders of commands (gateway, import, processes) hold. */
export interface CommandClient {
  /**
   * Sends to the user's actor and retries with the same command id, within the deadline, whatever may pass by itself.
   * Never throws for trouble of the world: what is left at the deadline comes back as `unavailable`, `overloaded` or `unknown`.
   * A command id that is handed in counts as chosen by the client, unless `clientChose` says otherwise: for senders whose ids derive from
   * what they want, who need no note in the log of what changed nothing.
   */
  send(
    userId: UserId,
    command: Command,
    options?: { commandId?: CommandId; clientChose?: boolean; deadlineMs?: number },
  ): Promise<{ answer: Answer; commandId: CommandId }>;
  /** The same for several at once, in their order and, where every node understands that, in one message: so they share its cost and that of the append. */
  sendAll(userId: UserId, wanted: NonEmpty<Wanted>): Promise<readonly Answer[]>;
}

/** A command for somebody, whose id the sender chose. */
export interface Wanted {
  readonly commandId: CommandId;
  readonly clientChose: boolean;
  readonly command: Command;
}

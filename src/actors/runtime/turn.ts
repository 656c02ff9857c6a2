import type { Clock } from '../../clock.ts';
import { LogCorrupt, LogUnavailable, WrongExpectedVersion } from '../../events/event-log.ts';
import type { EventLog, NewCommit, NonEmpty } from '../../events/event-log.ts';
import type { UserEvent } from '../../events/event-types.ts';
import type { Answer } from '../commands.ts';
import { isOver } from '../deadline.ts';
import { hashOfCommandId } from '../remembered-commands.ts';
import { topicOf } from '../user/user.ts';
import type { Mailbox } from './mailbox.ts';
import type { Recollection } from './recollection.ts';
import { commitOf, settle } from './settle.ts';
import type { Waiting } from './waiting.ts';

/** A commit, and the hash of the id of the command that caused it. */
export interface OwnCommit {
  readonly commit: NewCommit;
  readonly idHash: number;
}

/** What the commands of a turn come to, all decided on one state. */
export interface DecidedTurn {
  readonly decided: readonly (OwnCommit & { readonly waiting: Waiting })[];
  /** Nothing to append; true as long as the stream ends where they were decided. */
  readonly settled: readonly { readonly waiting: Waiting; readonly answer: Answer }[];
  /** Known already, perhaps, or too late, or not to be written now: each has to be looked at by itself. */
  readonly alone: readonly Waiting[];
}

/**
 * Takes the first command, and those right behind it that are about other things and have other ids: all of them can be decided on the same
 * state. Whoever decides one of them again, alone, on that state, here or on another node, comes to the same decision; so everything that
 * holds for a command that is appended alone holds for each of them (see `deadline.ts`). Empty when nothing waits.
 */
export function takeTurn(mailbox: Mailbox<Waiting>): readonly Waiting[] {
  const turn: Waiting[] = [];
  if (mailbox.size > 1) {
    const taken = new Set<string>();
    for (let next = mailbox.next; next !== undefined; next = mailbox.next) {
      const { command, commandId } = next.envelope;
      const topic = topicOf(command);
      if (topic === undefined || taken.has(topic) || taken.has(commandId)) break;
      taken.add(topic).add(commandId);
      turn.push(next);
      mailbox.take();
    }
  }
  const first = turn.length === 0 ? mailbox.take() : undefined;
  return first === undefined ? turn : [first];
}

export function decideTurn(
  turn: readonly Waiting[],
  known: Recollection,
  ports: { readonly log: EventLog; readonly clock: Clock; readonly mayWrite: (events: NonEmpty<UserEvent>) => boolean },
): DecidedTurn {
  const { log, clock, mayWrite } = ports;
  const decided: (OwnCommit & { waiting: Waiting })[] = [];
  const settled: { waiting: Waiting; answer: Answer }[] = [];
  const alone: Waiting[] = [];
  const now = clock.now();
  for (const waiting of turn) {
    const { envelope } = waiting;
    const idHash = hashOfCommandId(envelope.commandId, log.namespace);
    const isNew = known.remembered.commitsOf(idHash).length === 0 && !isOver(envelope.deadline, clock);
    const outcome = isNew ? settle(envelope, known) : undefined;
    if (outcome === undefined) alone.push(waiting);
    else if ('outcome' in outcome) settled.push({ waiting, answer: outcome });
    else if (mayWrite(outcome)) decided.push({ waiting, idHash, commit: commitOf(envelope, known, outcome, now) });
    else alone.push(waiting);
  }
  return { decided, settled, alone };
}

/** The log said why not, and nothing was appended. */
export function isTroubleOfLog(error: unknown): boolean {
  return error instanceof WrongExpectedVersion || error instanceof LogUnavailable || error instanceof LogCorrupt;
}

import { LogCorrupt } from '../../events/event-log.ts';
import type { ExpectedVersion, NewCommit, RecordedCommit, StreamHead } from '../../events/event-log.ts';
import type { DomainEvent, UserEvent } from '../../events/event-types.ts';
import type { LogId, UserId } from '../../events/ids.ts';
import { headAfter } from '../../events/stream-chain.ts';
import { hashOfCommandId, RememberedCommands } from '../remembered-commands.ts';
import { evolve, initial } from '../user/user.ts';
import type { UserState } from '../user/user.ts';

/** What an actor knows of its stream, up to and with `head`; made of the stream alone. */
export interface Recollection {
  state: UserState;
  readonly remembered: RememberedCommands;
  head: ExpectedVersion;
  /** Of the last event, milliseconds since the epoch: the next one is never before it. */
  time: number;
  /** Up to where the last snapshot went; -1 without one. */
  snapshotVersion: number;
}

export interface LogIdentity {
  readonly id: LogId;
  readonly namespace: string;
}

export function blank(userId: UserId): Recollection {
  return { state: initial(userId), remembered: new RememberedCommands(), head: 'no-stream', time: 0, snapshotVersion: -1 };
}

export function versionOf(head: ExpectedVersion): number {
  return head === 'no-stream' ? -1 : head.version;
}

/** Takes in a commit that was just appended; `head` is what the log answered, `idHash` the hash of the command's id, if a command caused it. */
export function absorb(known: Recollection, commit: NewCommit, head: StreamHead, idHash: number | undefined): void {
  for (const event of commit.events) known.state = evolve(known.state, ofUser(event));
  if (idHash !== undefined) known.remembered.remember(idHash, head.position.commit, commit.time);
  known.head = head;
  known.time = commit.time;
}

/** Takes in the next commit of the stream. @throws {LogCorrupt} when it is not the next one. */
export function absorbRecorded(known: Recollection, commit: RecordedCommit, log: LogIdentity): void {
  const predecessor = known.head === 'no-stream' ? null : known.head.position.commit;
  if (commit.predecessor !== predecessor || commit.firstVersion !== versionOf(known.head) + 1) {
    throw new LogCorrupt(`${commit.stream}: commit ${commit.commit} does not follow commit ${predecessor}`);
  }
  const idHash = commit.metadata && hashOfCommandId(commit.metadata.commandId, log.namespace);
  absorb(known, commit, headAfter(log.id, commit), idHash);
}

function ofUser(event: DomainEvent): UserEvent {
  if (event.type === 'RunStarted' || event.type === 'RunEnded') throw new LogCorrupt(`a ${event.type} stands in the stream of a user`);
  return event;
}

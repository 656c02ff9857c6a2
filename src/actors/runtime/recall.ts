import { LogUnavailable } from '../../events/event-log.ts';
import type { EventLog, RecordedCommit } from '../../events/event-log.ts';
import { userStreamOf } from '../../events/ids.ts';
import { lastPositionOf } from '../../events/position.ts';
import type { Answer, CommandEnvelope } from '../commands.ts';
import { fingerprintOf } from '../fingerprint.ts';
import type { Recollection } from './recollection.ts';

/**
 * The answer to a command that was carried out before, or undefined for a new one. What is remembered only says where to look;
 * the log says whether it was this command, what it wanted and what became of it. @throws {LogUnavailable} when it cannot say.
 */
export function recall(
  envelope: CommandEnvelope,
  idHash: number,
  known: Recollection,
  log: EventLog,
): Promise<Answer | undefined> | undefined {
  const commits = known.remembered.commitsOf(idHash);
  // Nearly every command is new, and then there is nothing to wait for.
  return commits.length === 0 ? undefined : readOutcome(envelope, commits, log);
}

async function readOutcome(envelope: CommandEnvelope, commits: readonly number[], log: EventLog): Promise<Answer | undefined> {
  for (const number of commits) {
    const commit = await log.commitAt({ logId: log.id, commit: number, index: 0 });
    // It was read or appended by this actor: whoever does not have it is behind, and to take the command for a new one would carry it out twice.
    if (commit === undefined) throw new LogUnavailable(`${userStreamOf(envelope.userId)}: the log does not find commit ${number}`);
    if (commit.metadata?.commandId !== envelope.commandId || commit.stream !== userStreamOf(envelope.userId)) continue;
    if (commit.metadata.fingerprint !== fingerprintOf(envelope.command)) return { outcome: 'rejected', rejection: 'command-id-reused' };
    return accepted(envelope, commit, log);
  }
  return undefined;
}

function accepted({ command }: CommandEnvelope, commit: RecordedCommit, log: EventLog): Answer {
  const position = lastPositionOf(log.id, commit);
  if (command.type !== 'CreatePost') return { outcome: 'accepted', position, repeated: true };
  // A post that was only noted had been there already under the id that the command brought.
  const created = commit.events.find((event) => event.type === 'PostCreated');
  return { outcome: 'accepted', position, repeated: true, postId: created?.postId ?? command.postId };
}

import assert from 'node:assert/strict';
import { fingerprintOf } from '../../src/actors/fingerprint.ts';
import type { Answer, Command } from '../../src/actors/commands.ts';
import { decide, evolve, initial } from '../../src/actors/user/user.ts';
import type { UserState } from '../../src/actors/user/user.ts';
import type { EventLog, RecordedCommit } from '../../src/events/event-log.ts';
import type { UserEvent } from '../../src/events/event-types.ts';
import { userStreamOf } from '../../src/events/ids.ts';
import type { CommandId, UserId } from '../../src/events/ids.ts';
import { lastPositionOf } from '../../src/events/position.ts';

/** What a client saw: it sent a command when the stream had `commitsBefore` commits, and was answered when it had `commitsAfter`. */
export interface Sent {
  readonly userId: UserId;
  readonly commandId: CommandId;
  readonly clientChose: boolean;
  readonly command: Command;
  readonly commitsBefore: number;
  readonly commitsAfter: number;
  readonly answer: Answer;
}

/**
 * Checks what clients were told against what stands in the log. `doubled`: commands that arrived more often than they were sent, each of which may be
 * decided anew. @throws at the first thing that cannot be.
 */
export async function checkSafety(
  log: EventLog,
  users: readonly UserId[],
  sent: readonly Sent[],
  doubled: ReadonlySet<CommandId> = new Set(),
): Promise<void> {
  for (const userId of users) {
    const commits: RecordedCommit[] = [];
    for await (const batch of log.read(userStreamOf(userId))) commits.push(...batch);
    checkStream(
      log,
      userId,
      commits,
      sent.filter((each) => each.userId === userId),
      doubled,
    );
  }
}

function checkStream(
  log: EventLog,
  userId: UserId,
  commits: readonly RecordedCommit[],
  sent: readonly Sent[],
  doubled: ReadonlySet<CommandId>,
): void {
  const explained = new Set<Sent>();
  const byId = new Map<CommandId, RecordedCommit>();
  let state = initial(userId);
  let version = -1;
  let time = 0;

  for (let length = 0; length <= commits.length; length++) {
    // Every answer must fit one of the states that there were while the client waited.
    for (const each of sent) {
      if (
        each.commitsBefore <= length &&
        length <= each.commitsAfter &&
        fits(log, each, state, byId.get(each.commandId), commits[length - 1])
      ) {
        explained.add(each);
      }
    }
    const commit = commits[length];
    if (commit === undefined) break;
    assert.equal(commit.firstVersion, version + 1, 'versions are dense');
    assert(commit.time >= time, 'time does not go back within a stream');
    assert(commit.metadata, 'a command caused it');
    const { commandId, fingerprint } = commit.metadata;
    assert(!byId.has(commandId), `${commandId} has two effects`);
    const wishes = sent.filter((each) => each.commandId === commandId && fingerprintOf(each.command) === fingerprint);
    assert(wishes.length > 0, `nobody wished for what ${commandId} did`);
    assert(
      wishes.some((wish) => isDecision(wish, state, commit.events as readonly UserEvent[])),
      `${commandId} was not decided on the state that its stream has`,
    );
    byId.set(commandId, commit);
    state = (commit.events as readonly UserEvent[]).reduce(evolve, state);
    version += commit.events.length;
    time = commit.time;
  }

  for (const each of sent) {
    if (each.answer.outcome !== 'accepted' && each.answer.outcome !== 'rejected') continue;
    assert(explained.has(each), `${each.commandId} was told ${JSON.stringify(each.answer)}, which no state at that time explains`);
    if (each.answer.outcome !== 'rejected' || each.answer.rejection === 'command-id-reused') continue;
    const carriedOut = byId.get(each.commandId);
    const others = doubled.has(each.commandId) || sent.some((other) => other !== each && other.commandId === each.commandId);
    assert(carriedOut === undefined || others, `${each.commandId} was rejected and has an effect`);
  }
}

function isDecision({ command, clientChose }: Sent, state: UserState, events: readonly UserEvent[]): boolean {
  const decision = decide(command, state);
  if (!decision.accepted) return false;
  const wanted: readonly UserEvent[] = decision.events.length === 0 && clientChose ? [{ type: 'CommandNoted' }] : decision.events;
  // The id of a post is made up for each try.
  const plain = (each: readonly UserEvent[]) =>
    JSON.stringify(each.map((event) => (event.type === 'PostCreated' ? { ...event, postId: '' } : event)));
  return plain(wanted) === plain(events);
}

/** Could the answer be given at this state, in which `outcome` is the commit of the same command id, and `last` the stream's last commit? */
function fits(log: EventLog, sent: Sent, state: UserState, outcome: RecordedCommit | undefined, last: RecordedCommit | undefined): boolean {
  const { answer, command } = sent;
  const same = outcome?.metadata?.fingerprint === fingerprintOf(command);
  if (answer.outcome === 'rejected') {
    if (outcome !== undefined) return answer.rejection === 'command-id-reused' && !same;
    const decision = decide(command, state);
    return !decision.accepted && decision.rejection === answer.rejection;
  }
  if (answer.outcome !== 'accepted') return false;
  const stands = outcome ?? last;
  if (stands === undefined || JSON.stringify(answer.position) !== JSON.stringify(lastPositionOf(log.id, stands))) return false;
  if (outcome === undefined) {
    const decision = decide(command, state);
    return !sent.clientChose && decision.accepted && decision.events.length === 0;
  }
  const created = outcome.events.find((event) => event.type === 'PostCreated');
  return same && (created === undefined || created.postId === answer.postId);
}

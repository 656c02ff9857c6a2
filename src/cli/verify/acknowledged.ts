import type { RecordedCommit } from '../../events/event-log.ts';
import { userStreamOf } from '../../events/ids.ts';
import type { Findings } from './findings.ts';
import type { CommandAnswer } from './records.ts';

/** Holds what clients were answered against what stands in the log: each yes once, each no not at all. */
export interface AcknowledgedCheck {
  visit(commit: RecordedCommit): void;
  finish(): void;
}

export function createAcknowledgedCheck(answers: readonly CommandAnswer[], findings: Findings): AcknowledgedCheck {
  const effects = new Map<string, RecordedCommit[]>();
  for (const { userId, commandId } of answers) effects.set(`${userStreamOf(userId)} ${commandId}`, []);

  function check({ userId, commandId, outcome, position, type }: CommandAnswer): void {
    const stream = userStreamOf(userId);
    const found = effects.get(`${stream} ${commandId}`)!;
    const where = found.map(({ commit }) => commit).join(' and ');
    const what = `${type} ${commandId} of ${stream}`;
    if (found.length > 1) findings.found('acknowledgedTwice', `${what}: in commits ${where}`);
    const [effect] = found;
    if (outcome === 'accepted' && effect === undefined) findings.found('acknowledgedMissing', what);
    if (outcome === 'rejected' && effect !== undefined) findings.found('rejectedDone', `${what}: in commit ${where}`);
    if (outcome !== 'accepted' || effect === undefined || position === undefined) return;
    const isThere = found.some((each) => each.commit === position.commit && position.index === each.events.length - 1);
    if (!isThere) findings.found('acknowledgedElsewhere', `${what}: in commit ${where}, and not in commit ${position.commit}`);
  }

  return {
    visit(commit) {
      if (commit.metadata) effects.get(`${commit.stream} ${commit.metadata.commandId}`)?.push(commit);
    },
    finish() {
      for (const answer of answers) check(answer);
      const accepted = answers.filter(({ outcome }) => outcome === 'accepted').length;
      findings.looked('acknowledged commands', { answers: answers.length, accepted });
    },
  };
}

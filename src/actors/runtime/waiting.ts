import type { NonEmpty } from '../../events/event-log.ts';
import type { Answer, CommandEnvelope } from '../commands.ts';

/** A command whose sender waits. */
export class Waiting {
  readonly envelope: CommandEnvelope;
  /** It was tried, and may or may not have been appended. */
  unsure = false;
  readonly #answers: Answers;
  readonly #place: number;

  constructor(envelope: CommandEnvelope, answers: Answers, place: number) {
    this.envelope = envelope;
    this.#answers = answers;
    this.#place = place;
  }

  /** The first answer counts. */
  answer(answer: Answer): void {
    this.#answers.give(this.#place, answer);
  }
}

/** The answers to commands that came together: they go back together. */
class Answers {
  readonly #answers: (Answer | undefined)[];
  readonly #complete: (answers: readonly Answer[]) => void;
  #missing: number;

  constructor(count: number, complete: (answers: readonly Answer[]) => void) {
    this.#answers = Array.from({ length: count });
    this.#complete = complete;
    this.#missing = count;
  }

  give(place: number, answer: Answer): void {
    if (this.#answers[place] !== undefined) return;
    this.#answers[place] = answer;
    if (--this.#missing === 0) this.#complete(this.#answers as readonly Answer[]);
  }
}

/** Commands that came together, on their way into the mailbox; `complete` hears the answers to all, in their order. */
export function waitTogether(envelopes: NonEmpty<CommandEnvelope>, complete: (answers: readonly Answer[]) => void): Waiting[] {
  const answers = new Answers(envelopes.length, complete);
  return envelopes.map((envelope, place) => new Waiting(envelope, answers, place));
}

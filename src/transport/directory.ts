import { limits } from '../limits.ts';
import { matches } from './subject-pattern.ts';

/** Who receives on which pattern; what a subject found is remembered until somebody comes or goes. */
export interface Directory<Receiver extends { readonly subject: string }> {
  add(receiver: Receiver): void;
  remove(receiver: Receiver): void;
  clear(): void;
  all(): Receiver[];
  /** Those whose pattern matches, in the order in which they came. */
  find(subject: string): Receiver[];
}

export function createDirectory<Receiver extends { readonly subject: string }>(): Directory<Receiver> {
  const receivers = new Set<Receiver>();
  const found = new Map<string, Receiver[]>();
  return {
    add(receiver) {
      receivers.add(receiver);
      found.clear();
    },
    remove(receiver) {
      receivers.delete(receiver);
      found.clear();
    },
    clear() {
      receivers.clear();
      found.clear();
    },
    all: () => [...receivers],
    find(subject) {
      const known = found.get(subject);
      if (known !== undefined) return known;
      const matching = [...receivers].filter((receiver) => matches(receiver.subject, subject));
      if (found.size >= limits.subjectsRememberedMax) found.clear();
      found.set(subject, matching);
      return matching;
    },
  };
}

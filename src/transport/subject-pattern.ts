import assert from 'node:assert/strict';

/** What every transport takes as a token: the letters that mean nothing to NATS. */
const concrete = /^[\w-]+(\.[\w-]+)*$/;
const pattern = /^(\*|[\w-]+)(\.(\*|[\w-]+))*$/;

/** A subject to send to: no wildcard, no empty token. Subjects are made by our code alone, so another is a bug. */
export function assertSubject(subject: string): void {
  assert(concrete.test(subject), `not a subject: ${JSON.stringify(subject)}`);
}

/** A subject to receive on: `*` stands for one token. */
export function assertPattern(subject: string): void {
  assert(pattern.test(subject), `not a pattern of subjects: ${JSON.stringify(subject)}`);
}

export function matches(subjectPattern: string, subject: string): boolean {
  if (!subjectPattern.includes('*')) return subjectPattern === subject;
  const wanted = subjectPattern.split('.');
  const given = subject.split('.');
  return wanted.length === given.length && wanted.every((token, index) => token === '*' || token === given[index]);
}

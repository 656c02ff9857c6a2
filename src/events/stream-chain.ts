import assert from 'node:assert/strict';
import { limits } from '../limits.ts';
import { LogCorrupt } from './event-log.ts';
import type { ExpectedVersion, NewCommit, NonEmpty, RecordedCommit, StreamHead } from './event-log.ts';
import type { LogId, StreamName } from './ids.ts';
import { lastPositionOf } from './position.ts';

// What all adapters have in common: how the commits of one stream hang together.

/** A malformed append is a bug of the caller: nothing was appended, and trying again will not help. */
export function assertWellFormed(stream: StreamName, commit: NewCommit): void {
  assert(
    commit.events.length > 0 && commit.events.length <= limits.eventsPerCommitMax,
    `${stream}: a commit holds 1 to ${limits.eventsPerCommitMax} events`,
  );
  assert(Number.isSafeInteger(commit.time), `${stream}: the time of a commit is in whole milliseconds`);
}

export function assertSize(stream: StreamName, bytes: number): void {
  assert(bytes <= limits.commitBytesMax, `${stream}: a commit of ${bytes} bytes exceeds ${limits.commitBytesMax}`);
}

/** Does the stream end where the writer believes? */
export function isExpected(expected: ExpectedVersion, head: StreamHead | undefined): boolean {
  if (expected === 'no-stream' || head === undefined) return expected === 'no-stream' && head === undefined;
  const [theirs, ours] = [expected.position, head.position];
  return expected.version === head.version && theirs.commit === ours.commit && theirs.index === ours.index && theirs.logId === ours.logId;
}

/** The stream's end once `commit` is its last. */
export function headAfter(logId: LogId, commit: RecordedCommit): StreamHead {
  return { version: commit.firstVersion + commit.events.length - 1, position: lastPositionOf(logId, commit) };
}

/** Places the commits of one append: each after the end of the stream that the one before it makes, the first after `before`. */
export function inChain<Placed extends { readonly head: StreamHead }>(
  before: StreamHead | undefined,
  [first, ...others]: NonEmpty<NewCommit>,
  place: (commit: NewCommit, before: StreamHead | undefined, index: number) => Placed,
): NonEmpty<Placed> {
  const chain: [Placed, ...Placed[]] = [place(first, before, 0)];
  for (const commit of others) chain.push(place(commit, chain.at(-1)!.head, chain.length));
  return chain;
}

/** The stream's end after each of the commits. */
export function headsOf([first, ...others]: NonEmpty<{ readonly head: StreamHead }>): NonEmpty<StreamHead> {
  return [first.head, ...others.map(({ head }) => head)];
}

/** Checks that commits read one after another are one unbroken stream; `fromStart`: the first of them is the first of all. @throws {LogCorrupt} */
export function createChainCheck(stream: StreamName, fromStart: boolean): (commit: RecordedCommit) => void {
  let expected: { readonly version: number; readonly predecessor: number | null } | undefined = fromStart
    ? { version: 0, predecessor: null }
    : undefined;
  return (commit) => {
    const { firstVersion, predecessor } = commit;
    if (commit.stream !== stream)
      throw new LogCorrupt(`commit ${commit.commit} belongs to ${commit.stream}, but was read as part of ${stream}`);
    if (expected !== undefined && (predecessor !== expected.predecessor || firstVersion !== expected.version)) {
      throw new LogCorrupt(
        `${stream}: the chain is broken at commit ${commit.commit}: it has version ${firstVersion} and follows commit ${predecessor}, ` +
          `but version ${expected.version} after commit ${expected.predecessor} comes next`,
      );
    }
    expected = { version: firstVersion + commit.events.length, predecessor: commit.commit };
  };
}

import { describe, expect, it } from 'vitest';
import type { RecordedCommit } from '../../../src/events/event-log.ts';
import type { StreamName } from '../../../src/events/ids.ts';
import { limits } from '../../../src/limits.ts';
import { createPredecessorCheck } from '../../../src/projections/chain-check.ts';

const commit = (number: number, stream: string, predecessor: number | null): RecordedCommit => ({
  commit: number,
  stream: stream as StreamName,
  firstVersion: 0,
  predecessor,
  time: 0,
  events: [{ type: 'CommandNoted' }],
});

describe('the check of predecessors', () => {
  it('accepts whole streams, from the start and from the middle', () => {
    const fromStart = createPredecessorCheck(0);
    fromStart(commit(1, 'a', null));
    fromStart(commit(2, 'b', null));
    fromStart(commit(3, 'a', 1));
    const fromMiddle = createPredecessorCheck(2);
    fromMiddle(commit(3, 'a', 1));
    fromMiddle(commit(4, 'a', 3));
  });

  it('notices a commit that is missing, also before the first one seen of a stream', () => {
    const check = createPredecessorCheck(2);
    check(commit(3, 'a', 1));
    expect(() => check(commit(5, 'a', 4))).toThrow('commit 5 of a follows 4, but the last one seen there is 3');
    expect(() => check(commit(6, 'b', 4))).toThrow('commit 6 of b follows 4, but the last one seen there is none');
    expect(() => check(commit(7, 'a', null))).toThrow('follows none');
  });

  it('takes up streams again that it has forgotten', () => {
    const check = createPredecessorCheck(0);
    for (let number = 1; number <= limits.chainCheckStreamsMax + 1; number += 1) check(commit(number, `stream-${number}`, null));
    check(commit(limits.chainCheckStreamsMax + 2, 'stream-1', 1));
    // By now the second one is forgotten, and the first is not any more.
    check(commit(limits.chainCheckStreamsMax + 3, 'stream-2', null));
    expect(() => check(commit(limits.chainCheckStreamsMax + 4, 'stream-1', null))).toThrow('follows none');
  });
});

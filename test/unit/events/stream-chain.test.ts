import { describe, expect, test } from 'vitest';
import { LogCorrupt } from '../../../src/events/event-log.ts';
import type { RecordedCommit } from '../../../src/events/event-log.ts';
import type { StreamName } from '../../../src/events/ids.ts';
import { createChainCheck } from '../../../src/events/stream-chain.ts';

const stream = 'user-a' as StreamName;
const commit = (number: number, firstVersion: number, predecessor: number | null, of = stream): RecordedCommit => ({
  commit: number,
  stream: of,
  firstVersion,
  predecessor,
  time: 0,
  events: [{ type: 'CommandNoted' }, { type: 'CommandNoted' }],
});

describe('the check of a chain', () => {
  test('accepts whole streams, from the start and from the middle', () => {
    const fromStart = createChainCheck(stream, true);
    fromStart(commit(3, 0, null));
    fromStart(commit(7, 2, 3));
    const fromMiddle = createChainCheck(stream, false);
    fromMiddle(commit(7, 2, 3));
    fromMiddle(commit(9, 4, 7));
  });

  test.each<[string, RecordedCommit]>([
    ['has another version than the next', commit(7, 3, 3)],
    ['follows another commit than the last', commit(7, 2, 5)],
    ['begins the stream a second time', commit(7, 2, null)],
    ['is of another stream', commit(7, 2, 3, 'user-b' as StreamName)],
  ])('refuses a commit that %s', (_, next) => {
    const check = createChainCheck(stream, true);
    check(commit(3, 0, null));
    expect(() => check(next)).toThrow(LogCorrupt);
  });

  test.each([commit(3, 2, null), commit(3, 0, 1)])('refuses a first commit that is not the first', (first) => {
    expect(() => createChainCheck(stream, true)(first)).toThrow(LogCorrupt);
  });
});

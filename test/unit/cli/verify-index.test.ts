import { expect, test } from 'vitest';
import { createFindings } from '../../../src/cli/verify/findings.ts';
import { createLogCheck } from '../../../src/cli/verify/log-check.ts';
import type { ExpectedVersion } from '../../../src/events/event-log.ts';
import type { StreamName } from '../../../src/events/ids.ts';

const stream = 'user-a' as StreamName;
const headOf = (version: number, commit: number): ExpectedVersion => ({ version, position: { logId: 'log' as never, commit, index: 0 } });

/** What is found where the log was read up to commit 6, of which 2 and 4 are of the stream, and 5 could not be read. */
function foundWith(head: ExpectedVersion | undefined): readonly string[] {
  const findings = createFindings(5);
  const check = createLogCheck(findings);
  check.visit({ commit: 2, stream, firstVersion: 0, predecessor: null, time: 0, events: [{ type: 'CommandNoted' }] });
  check.visit({ commit: 4, stream, firstVersion: 1, predecessor: 2, time: 0, events: [{ type: 'CommandNoted' }] });
  check.undecodable(5, 'commit 5: is not JSON');
  check.visit({
    commit: 6,
    stream: 'user-b' as StreamName,
    firstVersion: 0,
    predecessor: null,
    time: 0,
    events: [{ type: 'CommandNoted' }],
  });
  check.compareIndex({ indexedHead: (name) => (name === stream ? head : undefined) });
  return findings.report().faults.flatMap(({ kind, count }) => (count > 0 && kind !== 'undecodable' ? [kind] : []));
}

test('an index of ends is right, also where it knows nothing, is ahead of what was read, or ends with what cannot be read', () => {
  for (const head of [headOf(1, 4), undefined, headOf(2, 7), headOf(2, 5)]) expect(foundWith(head)).toEqual([]);
});

test('an index that has another end for a stream is named', () => {
  for (const head of [headOf(0, 2), headOf(0, 4), headOf(1, 3), headOf(1, 6), 'no-stream'] as const)
    expect(foundWith(head)).toEqual(['wrongEnds']);
});

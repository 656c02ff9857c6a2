import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { StreamHead } from '../../../src/events/event-log.ts';
import type { LogId, StreamName } from '../../../src/events/ids.ts';
import { createStreamHeads } from '../../../src/events/stream-heads.ts';
import { limits } from '../../../src/limits.ts';

const logId = '00000000-0000-4000-8000-000000000000' as LogId;
const headOf = (commit: number): StreamHead => ({ version: commit, position: { logId, commit, index: 0 } });

/** What is on disk, written as the log writes it: now and then a slice, which may get lost. */
function createTable() {
  const disk = new Map<StreamName, StreamHead>();
  let indexed = 0;
  const open = () => createStreamHeads({ indexed, headOnDisk: (stream) => disk.get(stream) });
  const write = (slice: ReturnType<ReturnType<typeof open>['slice']>) => {
    for (const [stream, head] of slice?.heads ?? []) disk.set(stream, head);
    indexed = slice?.indexed ?? indexed;
  };
  return { disk, open, write, indexed: () => indexed };
}

describe('the heads of streams', () => {
  it('stay in memory until there are enough, then leave in sorted slices', () => {
    const table = createTable();
    const heads = table.open();
    const streams = limits.streamHeadsHeldMax;
    for (let commit = 1; commit <= streams; commit += 1) {
      expect(heads.slice(1)).toBeUndefined();
      heads.record(`s${(commit * 7_919) % streams}` as StreamName, headOf(commit));
    }
    const left: StreamName[] = [];
    while (table.indexed() === 0) {
      const slice = heads.slice(100);
      expect(slice?.heads.length).toBeLessThanOrEqual(200);
      left.push(...(slice?.heads ?? []).map(([stream]) => stream));
      table.write(slice);
      if (slice) heads.written(slice);
    }
    expect(left).toEqual(left.toSorted());
    expect([left.length, table.indexed()]).toEqual([streams, streams]);
    expect(heads.rest()).toBeUndefined();
  });

  it('are let go when they are on disk and the next ones leave', () => {
    const table = createTable();
    const asked: StreamName[] = [];
    const headOnDisk = (stream: StreamName) => {
      asked.push(stream);
      return table.disk.get(stream);
    };
    const heads = createStreamHeads({ indexed: 0, headOnDisk });
    for (let last = 0; last < 2 * limits.streamHeadsHeldMax;) {
      for (let n = 0; n < limits.streamHeadsHeldMax; n += 1) heads.record(`s${(last += 1)}` as StreamName, headOf(last));
      while (table.indexed() < last) {
        const slice = heads.slice(1_000)!;
        table.write(slice);
        heads.written(slice);
      }
    }
    const [early, late] = ['s1', `s${2 * limits.streamHeadsHeldMax}`] as StreamName[];
    expect(heads.get(late!)).toEqual(headOf(2 * limits.streamHeadsHeldMax));
    expect(asked).toEqual([]);
    expect(heads.get(early!)).toEqual(headOf(1));
    expect(asked).toEqual([early]);
    expect(heads.slice(1)).toBeUndefined();
  });

  it('leave also when few streams have many commits', () => {
    const heads = createTable().open();
    for (let commit = 1; commit <= limits.commitsNotIndexedMax; commit += 1) heads.record('one' as StreamName, headOf(commit));
    expect(heads.slice(1)).toEqual({ heads: [['one', headOf(limits.commitsNotIndexedMax)]], indexed: limits.commitsNotIndexedMax });
  });

  it('are right at every moment, and after a crash from the commits since the last one indexed', () => {
    const step = fc.record({ stream: fc.nat(9_000), lost: fc.boolean(), crash: fc.nat(2_000).map((n) => n === 0) });
    fc.assert(
      fc.property(fc.array(step, { minLength: 12_000, maxLength: 20_000 }), (steps) => {
        const table = createTable();
        let heads = table.open();
        const truth: StreamName[] = [];
        const last = new Map<StreamName, StreamHead>();
        for (const { stream, lost, crash } of steps) {
          const name = `s${stream}` as StreamName;
          const slice = heads.slice(1);
          // A group that fails writes neither its commits nor its slice.
          if (lost) continue;
          table.write(slice);
          if (slice) heads.written(slice);
          truth.push(name);
          last.set(name, headOf(truth.length));
          heads.record(name, headOf(truth.length));
          if (crash) {
            heads = table.open();
            for (let commit = table.indexed() + 1; commit <= truth.length; commit += 1) heads.record(truth[commit - 1]!, headOf(commit));
          }
          if (heads.get(name) !== last.get(name)) expect(heads.get(name)).toEqual(last.get(name));
        }
        for (const [name, head] of last) if (heads.get(name)?.version !== head.version) expect(heads.get(name)).toEqual(head);
        table.write(heads.rest());
        for (const [name, head] of last) if (table.disk.get(name)?.version !== head.version) expect(table.disk.get(name)).toEqual(head);
      }),
      { numRuns: 2 },
    );
  });
});

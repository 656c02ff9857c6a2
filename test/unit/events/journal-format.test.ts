import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LogId } from '../../../src/events/ids.ts';
import { decodeFrames, encodeFrame, frameAlignment, frameBytes } from '../../../src/events/journal-format.ts';
import { limits } from '../../../src/limits.ts';

const logId = '01928374-0000-7000-8000-000000000001' as LogId;
const other = '01928374-0000-7000-8000-000000000002' as LogId;
const groups = fc.array(fc.array(fc.uint8Array({ maxLength: 6_000 }), { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 6 });

/** Each group goes on where the one before ends, the first with this number. */
function framesOf(stored: readonly (readonly Uint8Array[])[], first = 1, id = logId): Buffer[] {
  let next = first;
  return stored.map((group) => {
    const frame = encodeFrame(id, { first: next, stored: group });
    next += group.length;
    return frame;
  });
}

const plain = (stored: readonly Uint8Array[]) => stored.map((bytes) => [...bytes]);

describe('the frames of an area', () => {
  it('come back as they were written, whatever stood there before', () => {
    fc.assert(
      fc.property(groups, groups, fc.integer({ min: 1, max: 2 ** 40 }), (older, newer, first) => {
        const before = framesOf(older, first);
        const count = older.reduce((sum, { length }) => sum + length, 0);
        const frames = framesOf(newer, first + count);
        for (const [index, frame] of frames.entries()) expect(frame.length).toBe(frameBytes(newer[index]!));
        const area = Buffer.alloc(64 * frameAlignment);
        Buffer.concat(before).copy(area);
        Buffer.concat(frames).copy(area);
        const found = decodeFrames(logId, area);
        expect(found.first).toBe(first + count);
        expect(plain(found.stored)).toEqual(plain(newer.flat()));
      }),
    );
  });

  it('end before the first that is not whole', () => {
    fc.assert(
      fc.property(groups, fc.nat(), fc.integer({ min: 1, max: 255 }), (stored, place, change) => {
        const frames = framesOf(stored);
        const last = frames.at(-1)!;
        // Somewhere in what counts: behind it a frame is filled up with zeros.
        last[place % last.readUInt32BE(4)]! ^= change;
        expect(plain(decodeFrames(logId, Buffer.concat(frames)).stored)).toEqual(plain(stored.slice(0, -1).flat()));
      }),
    );
  });

  it('end where the area does', () => {
    const [short, long] = framesOf([[Buffer.alloc(100, 1)], [Buffer.alloc(9_000, 2)]]) as [Buffer, Buffer];
    const whole = short.length + long.readUInt32BE(4);
    const frames = Buffer.concat([short, long]);
    expect(decodeFrames(logId, frames.subarray(0, whole)).stored).toHaveLength(2);
    for (const end of [whole - 1, whole - frameAlignment, short.length + 10, short.length])
      expect(decodeFrames(logId, frames.subarray(0, end)).stored).toHaveLength(1);
    expect(decodeFrames(logId, Buffer.alloc(0)).stored).toEqual([]);
    expect(decodeFrames(logId, Buffer.alloc(frameAlignment)).stored).toEqual([]);
  });

  it('of the first version are read for ever, as is where they stand', () => {
    const recorded = Buffer.from('25076f970000002100000000000700000002000000036f6e650000000474776f21', 'hex');
    const commits = { first: 7, stored: [Buffer.from('one'), Buffer.from('two!')] };
    expect(decodeFrames(logId, recorded)).toEqual(commits);
    expect(encodeFrame(logId, commits).subarray(0, recorded.length)).toEqual(recorded);
    expect([frameAlignment, limits.journalAreaBytes]).toEqual([4_096, 1_048_576]);
  });

  it('of another log are none', () => {
    expect(decodeFrames(other, Buffer.concat(framesOf([[Buffer.from('x')]]))).stored).toEqual([]);
  });
});

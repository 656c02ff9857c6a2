import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseLogId } from '../../../src/events/ids.ts';
import type { LogId } from '../../../src/events/ids.ts';
import { comparePositions, formatPosition, lastPositionOf, parsePosition, placeOf, positionOf } from '../../../src/events/position.ts';
import type { Position } from '../../../src/events/position.ts';
import { limits } from '../../../src/limits.ts';

const positions: fc.Arbitrary<Position> = fc.record({
  logId: fc.uuid() as unknown as fc.Arbitrary<LogId>,
  commit: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
  index: fc.integer({ min: 0, max: limits.eventsPerCommitMax - 1 }),
});
const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

describe('a position', () => {
  it('comes back from its opaque form', () => {
    fc.assert(fc.property(positions, (position) => void expect(parsePosition(formatPosition(position))).toEqual(position)));
  });

  it('keeps its opaque form for ever', () => {
    const logId = parseLogId('01234567-89ab-4cde-8f01-23456789abcd') as LogId;
    expect(formatPosition({ logId, commit: 123_456_789, index: 42 })).toBe('AQEjRWeJq0zejwEjRWeJq80AAAAAB1vNFQAqp4CHiQ');
  });

  it('is refused when one character is another one', () => {
    fc.assert(
      fc.property(positions, fc.nat(41), fc.nat(62), (position, at, other) => {
        const text = formatPosition(position);
        const letters = alphabet.replace(text[at] as string, '');
        expect(parsePosition(text.slice(0, at) + letters[other] + text.slice(at + 1))).toBeUndefined();
      }),
    );
  });

  it('is refused when it is cut, longer, or something else', () => {
    fc.assert(
      fc.property(positions, fc.nat(41), (position, length) => {
        const text = formatPosition(position);
        expect(parsePosition(text.slice(0, length))).toBeUndefined();
        expect(parsePosition(`${text}A`)).toBeUndefined();
      }),
    );
    fc.assert(fc.property(fc.string(), (text) => void expect(parsePosition(text)).toBeUndefined()));
    expect(parsePosition('A'.repeat(42))).toBeUndefined();
  });

  it('is refused when it names a place that no log has, whoever made its checksum', () => {
    const position: Position = { logId: parseLogId('01234567-89ab-4cde-8f01-23456789abcd') as LogId, commit: 7, index: 0 };
    expect(parsePosition(formatPosition({ ...position, index: limits.eventsPerCommitMax - 1 }))).toBeDefined();
    expect(parsePosition(formatPosition({ ...position, index: limits.eventsPerCommitMax }))).toBeUndefined();
    expect(parsePosition(formatPosition({ ...position, commit: 2 ** 53 }))).toBeUndefined();
  });

  it('comes back from its place, as a number and as the text that SQL gives', () => {
    fc.assert(
      fc.property(positions, (position) => {
        const place = placeOf(position);
        expect(positionOf(position.logId, place)).toEqual(position);
        expect(positionOf(position.logId, String(place))).toEqual(position);
        expect(place).toBeLessThan(2n ** 63n);
      }),
    );
  });

  it('sorts as its place does', () => {
    fc.assert(
      fc.property(positions, positions, (a, b) => {
        const [placeA, placeB] = [placeOf(a), placeOf(b)];
        expect(Math.sign(comparePositions(a, b))).toBe(placeA < placeB ? -1 : Number(placeA > placeB));
      }),
    );
  });

  it('of a commit is that of its last event', () => {
    const logId = parseLogId('01234567-89ab-4cde-8f01-23456789abcd') as LogId;
    expect(lastPositionOf(logId, { commit: 7, events: [1, 2, 3] })).toEqual({ logId, commit: 7, index: 2 });
  });
});

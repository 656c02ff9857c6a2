import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { LogId, UserId } from '../../../src/events/ids.ts';
import { placeOf } from '../../../src/events/position.ts';
import type { Position } from '../../../src/events/position.ts';
import { formatCursor, parseCursor } from '../../../src/gateway/cursors.ts';
import type { CursorKind } from '../../../src/gateway/cursors.ts';

const logId = '0b1f3a52-7c7e-4d7a-9a5b-0f3a1c2d4e5f' as LogId;
const otherLog = '1b1f3a52-7c7e-4d7a-9a5b-0f3a1c2d4e5f' as LogId;
const id = '01912d68-783e-7a03-8467-5661c1243ad4';
const position: Position = { logId, commit: 123_456_789, index: 7 };
const cursor = formatCursor('home', position, id);

const codeOf = (work: () => unknown) => {
  try {
    return work();
  } catch (error) {
    return (error as { extensions: { code: string } }).extensions.code;
  }
};

describe('a cursor', () => {
  test('gives its position back', () => {
    fc.assert(
      fc.property(fc.nat(2 ** 31 - 1), fc.nat(1023), fc.uuid(), (commit, index, entry) => {
        const made = formatCursor('public', { logId, commit, index }, entry);
        expect(parseCursor('public', made, logId)).toEqual({ logId, commit, index });
      }),
    );
  });

  test('is refused by every other connection', () => {
    const user = '5f0f3a52-7c7e-5d7a-9a5b-0f3a1c2d4e5f' as UserId;
    const other = '6f0f3a52-7c7e-5d7a-9a5b-0f3a1c2d4e5f' as UserId;
    const kinds: CursorKind[] = ['home', 'public', 'runs', `user/${user}`, `user/${other}`, `followers/${user}`, `following/${user}`];
    for (const kind of kinds) {
      for (const wanted of kinds) {
        const outcome = codeOf(() => parseCursor(wanted, formatCursor(kind, position, id), logId));
        expect(outcome).toEqual(kind === wanted ? position : 'CURSOR_INVALID');
      }
    }
  });

  test('of another log is refused, and says so', () => {
    expect(() => parseCursor('home', cursor, otherLog)).toThrow('This cursor is one of another log.');
    expect(codeOf(() => parseCursor('home', cursor, otherLog))).toBe('CURSOR_INVALID');
  });

  test('that is altered in any character is refused', () => {
    const letters = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'];
    fc.assert(
      fc.property(fc.nat(cursor.length - 1), fc.constantFrom(...letters), (at, letter) => {
        fc.pre(cursor[at] !== letter);
        expect(codeOf(() => parseCursor('home', cursor.slice(0, at) + letter + cursor.slice(at + 1), logId))).toBe('CURSOR_INVALID');
      }),
    );
  });

  test('whose spare bits at the end are altered is refused: one entry has one cursor', () => {
    const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const last = letters.indexOf(cursor.at(-1)!);
    expect(last % 4).toBe(0);
    for (const spare of [1, 2, 3]) {
      expect(codeOf(() => parseCursor('home', cursor.slice(0, -1) + letters[last + spare]!, logId))).toBe('CURSOR_INVALID');
    }
  });

  test('that is forged, with a true checksum, to a place beyond every log is refused', () => {
    for (const [commit, index] of [
      [2 ** 53, 0],
      [2 ** 63, 0],
      [1, 1024],
      [1, 65_535],
    ] as const) {
      const forged = formatCursor('home', { logId, commit, index }, id);
      expect(codeOf(() => parseCursor('home', forged, logId))).toBe('CURSOR_INVALID');
    }
    const last = { logId, commit: Number.MAX_SAFE_INTEGER, index: 1023 };
    expect(parseCursor('home', formatCursor('home', last, id), logId)).toEqual(last);
    expect(placeOf(last) < 2n ** 63n).toBe(true);
  });

  test('that is cut, lengthened or nothing of the kind is refused', () => {
    for (const text of [
      '',
      cursor.slice(1),
      cursor.slice(0, -1),
      `${cursor}A`,
      `${cursor}=`,
      ` ${cursor}`,
      'MTIz',
      '20',
      '\u0000',
      'é'.repeat(63),
    ]) {
      expect(codeOf(() => parseCursor('home', text, logId))).toBe('CURSOR_INVALID');
    }
  });
});

import { describe, expect, test } from 'vitest';
import { networkOf } from '../../../src/gateway/attempt-limits-postgres.ts';
import { checkStorable, parseName } from '../../../src/gateway/texts.ts';

describe('texts', () => {
  test('with NUL or half a surrogate pair are refused, since they would come back as something else', () => {
    expect(() => checkStorable('a\0b', 'text')).toThrow(
      '"text" holds a character that no text can hold: NUL, or half of a surrogate pair.',
    );
    expect(() => checkStorable('a\ud800', 'text')).toThrow(/surrogate/);
    expect(() => checkStorable('\udc00a', 'text')).toThrow(/surrogate/);
    expect(() => checkStorable('👩‍👩‍👧 \u202e ok \ufffd', 'text')).not.toThrow();
  });

  test('names are one line of at most 50 graphemes, without space around', () => {
    expect(parseName('  Ada Lovelace ')).toBe('Ada Lovelace');
    expect(parseName(' \t ')).toBeUndefined();
    expect(parseName('👩‍👩‍👧'.repeat(50))).toHaveLength(400);
    expect(() => parseName('x'.repeat(51))).toThrow('A name has at most 50 characters.');
    expect(() => parseName(`a${'\u0301'.repeat(1_000)}`)).toThrow('A name has at most 50 characters.');
  });

  test('names do not break their line, nor turn the direction of what stands around them', () => {
    for (const character of ['\n', '\u0085', '\u2028', '\u2029', '\u0007', '\u202e', '\u2066']) {
      expect(() => parseName(`a${character}b`)).toThrow('A name is one line without control characters.');
    }
    expect(parseName('עדה לאבלייס')).toBe('עדה לאבלייס');
  });

  test('names that show nothing count as none', () => {
    for (const nothing of ['', '\u200b\u200d', '\u3164', '\u2800', '\u00a0\ufeff']) expect(parseName(nothing)).toBeUndefined();
    expect(parseName('👩‍👩‍👧')).toBe('👩‍👩‍👧');
  });
});

test('attempts are counted by address, those of IPv6 by the network that one client owns', () => {
  expect(networkOf('192.0.2.7')).toBe('192.0.2.7');
  expect(networkOf('::ffff:192.0.2.7')).toBe('192.0.2.7');
  expect(networkOf('2001:db8:1:2:3:4:5:6')).toBe('2001:db8:1:2::/64');
  expect(networkOf('2001:0db8:1:2::9')).toBe('2001:db8:1:2::/64');
  expect(networkOf('2001:db8::1')).toBe('2001:db8:0:0::/64');
  expect(networkOf('::1')).toBe('0:0:0:0::/64');
  expect(networkOf('fe80::1%eth0')).toBe('fe80:0:0:0::/64');
});

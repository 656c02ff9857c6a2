import { expect, test } from 'vitest';
import { seededRandom, systemRandom } from '../../src/random.ts';

test('the system hands out as many bytes as asked for, and none of them twice', () => {
  const seen = new Set<string>();
  for (let n = 0; n < 2_000; n++) {
    const bytes = systemRandom.bytes(16);
    expect(bytes).toHaveLength(16);
    seen.add(Buffer.from(bytes).toString('hex'));
  }
  expect(seen.size).toBe(2_000);
  expect(systemRandom.bytes(10_000)).toHaveLength(10_000);
  expect(systemRandom.bytes(0)).toHaveLength(0);
});

test('what was handed out does not change when more is asked for', () => {
  const first = systemRandom.bytes(32);
  const copy = Uint8Array.from(first);
  for (let n = 0; n < 500; n++) systemRandom.bytes(32);
  expect(first).toEqual(copy);
});

test('a seed reproduces', () => {
  expect(seededRandom(7).bytes(8)).toEqual(seededRandom(7).bytes(8));
  expect(seededRandom(7).bytes(8)).not.toEqual(seededRandom(8).bytes(8));
});

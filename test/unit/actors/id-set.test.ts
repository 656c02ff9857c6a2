import fc from 'fast-check';
import { expect, test } from 'vitest';
import { IdSet } from '../../../src/actors/user/id-set.ts';

// Few ids, so that they meet; and such as differ in their first or last byte alone.
const id = fc.oneof(
  fc.nat(40).map((n) => `01890000-0000-7000-8000-0000000000${n.toString(16).padStart(2, '0')}`),
  fc.nat(20).map((n) => `${n.toString(16).padStart(2, '0')}ffffff-ffff-5fff-bfff-ffffffffffff`),
);
const step = fc.record({ do: fc.constantFrom('add', 'add', 'delete' as const), id });

test('is a set, whatever is added and deleted', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), id, (steps, other) => {
      const packed = new IdSet();
      const plain = new Set<string>();
      for (const { do: method, id: each } of steps) {
        packed[method](each);
        plain[method](each);
        expect(packed.size).toBe(plain.size);
      }
      for (const each of plain) expect(packed.has(each)).toBe(true);
      expect(packed.has(other)).toBe(plain.has(other));
      expect(Buffer.from(packed.packed()).toString('hex')).toBe(
        [...plain]
          .map((each) => each.replaceAll('-', ''))
          .toSorted()
          .join(''),
      );
    }),
  );
});

test('gives back the room of what is deleted, and loses none of the rest', () => {
  const ids = Array.from({ length: 100 }, (_, n) => `01890000-0000-7000-8000-0000000000${n.toString(16).padStart(2, '0')}`);
  const packed = new IdSet();
  for (const each of ids) packed.add(each);
  for (const each of ids.slice(10)) packed.delete(each);
  expect(ids.filter((each) => packed.has(each))).toEqual(ids.slice(0, 10));
  for (const each of ids) packed.add(each);
  expect(packed.size).toBe(ids.length);
  expect(ids.every((each) => packed.has(each))).toBe(true);
});

test('goes on from its packed form', () => {
  fc.assert(
    fc.property(fc.uniqueArray(id, { maxLength: 50 }), id, (ids, next) => {
      const whole = new IdSet();
      for (const each of ids) whole.add(each);
      const half = new IdSet(whole.packed());
      whole.add(next);
      half.add(next);
      expect(half.packed()).toEqual(whole.packed());
    }),
  );
});

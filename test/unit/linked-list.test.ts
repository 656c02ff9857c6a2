import fc from 'fast-check';
import { expect, it } from 'vitest';
import { LinkedList } from '../../src/linked-list.ts';
import type { Link } from '../../src/linked-list.ts';

function taken<T>(list: LinkedList<T>): T[] {
  const values: T[] = [];
  for (let value = list.take(); value !== undefined; value = list.take()) values.push(value);
  return values;
}

it('is what an array would be, whoever leaves from wherever, once or again', () => {
  const step = fc.oneof(fc.constant('add' as const), fc.constant('take' as const), fc.nat({ max: 50 }));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      const list = new LinkedList<number>();
      const links: Link<number>[] = [];
      let model: number[] = [];
      for (const [number, what] of steps.entries()) {
        if (what === 'add') model.push(number);
        if (what === 'add') links.push(list.add(number));
        if (what === 'take') expect(list.take()).toBe(model.shift());
        const link = typeof what === 'number' ? links[what] : undefined;
        if (link === undefined) continue;
        model = model.filter((value) => value !== link.value);
        list.remove(link);
      }
      expect(list.isEmpty).toBe(model.length === 0);
      expect(taken(list)).toEqual(model);
    }),
  );
});

it('leaves nothing behind in a link that has left: an old one would keep alive all that came after it', () => {
  const list = new LinkedList<string>();
  const [first, second, third] = [list.add('first'), list.add('second'), list.add('third')];
  list.remove(second);
  list.take();
  const empty = { value: undefined, before: undefined, after: undefined };
  expect([first, second]).toEqual([empty, empty]);
  expect(third).toEqual({ ...empty, value: 'third' });
});

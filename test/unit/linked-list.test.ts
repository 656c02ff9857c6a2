import fc from 'fast-check';
import { expect, it } from 'vitest';
import { LinkedList } from '../../src/linked-list.ts';
import type { Link } from '../../src/linked-list.ts';

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
      expect([...list.drain()]).toEqual(model);
    }),
  );
});

it('is drained of what is there when its turn comes', () => {
  const list = new LinkedList<string>();
  list.add('first');
  const leaving = list.add('second');
  const seen: string[] = [];
  for (const value of list.drain()) {
    seen.push(value);
    list.remove(leaving);
    if (seen.length === 1) list.add('third');
  }
  expect(seen).toEqual(['first', 'third']);
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

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { place } from '../../../src/actors/runtime/placement.ts';
import { shardCount } from '../../../src/transport/subjects.ts';

const nodeIds = fc.uniqueArray(fc.stringMatching(/^[0-9a-f]{12}$/), { minLength: 1, maxLength: 12 });

test('without nodes nobody owns anything', () => {
  expect(place([])).toEqual([]);
});

test('every shard has one owner, whatever the order in which nodes are known', () => {
  fc.assert(
    fc.property(nodeIds, fc.nat(), (ids, turn) => {
      const owners = place(ids);
      expect(owners).toHaveLength(shardCount);
      expect(owners.every((owner) => ids.includes(owner))).toBe(true);
      const cut = turn % ids.length;
      expect(place([...ids.slice(cut), ...ids.slice(0, cut)])).toEqual(owners);
    }),
  );
});

test('a node that joins takes only its share, and one that leaves gives only its own', () => {
  fc.assert(
    fc.property(nodeIds, fc.nat(), (ids, which) => {
      const one = ids[which % ids.length]!;
      const without = place(ids.filter((id) => id !== one));
      const all = place(ids);
      expect(all.every((owner, shard) => owner === one || owner === without[shard])).toBe(true);
    }),
  );
});

test('shares are even: nobody has more than twice the mean, nor less than a third', () => {
  fc.assert(
    fc.property(nodeIds, (ids) => {
      const mean = shardCount / ids.length;
      for (const id of ids) {
        const share = place(ids).filter((owner) => owner === id).length;
        // Of 12 nodes a share is 21 of 256, give or take 4.4: this is four of those and more.
        expect(share).toBeGreaterThanOrEqual(Math.floor(mean / 3) - 6);
        expect(share).toBeLessThanOrEqual(mean * 2 + 6);
      }
    }),
    { numRuns: 50 },
  );
});

test('is the same for ever: nodes of two versions must agree', () => {
  expect(place(['a', 'b', 'c']).join('').slice(0, 32)).toMatchInlineSnapshot(`"aabbcaccacbcccccccaccbcacbbbacaa"`);
});

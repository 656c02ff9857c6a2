import { expect, test } from 'vitest';
import { limits } from '../../../src/limits.ts';
import { pauseMsAfter } from '../../../src/projections/pause.ts';

test('a projection rests briefly after what people do, longer in a flood, and never longer than its bound', () => {
  expect([1, 40].map((events) => pauseMsAfter('network', events))).toEqual([3, 3]);
  expect(pauseMsAfter('network', 160)).toBe(10);
  expect(pauseMsAfter('network', limits.eventsPerProjectionBatchMax)).toBe(25);
  expect([40, 800, 4_096].map((events) => pauseMsAfter('statistics', events))).toEqual([20, 50, 100]);
});

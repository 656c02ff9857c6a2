import { expect, it } from 'vitest';
import { createUnderWay } from '../../src/under-way.ts';

function endedByHand() {
  let succeed!: () => void;
  let fail!: (error: Error) => void;
  const promise = new Promise<void>((resolve, reject) => ([succeed, fail] = [resolve, reject]));
  return { promise, succeed, fail };
}

it('ends when all of it has ended, however, and what began meanwhile', async () => {
  const work = createUnderWay();
  await work.ended();
  const [first, second, third] = [endedByHand(), endedByHand(), endedByHand()];
  const seen: string[] = [];
  const failing = work.add(second.promise);
  expect(work.add(first.promise)).toBe(first.promise);
  const ended = work.ended().then(() => seen.push('ended'));
  first.succeed();
  await first.promise;
  const added = work.add(third.promise);
  second.fail(new Error('failed'));
  await expect(failing).rejects.toThrow('failed');
  expect([work.count, seen]).toEqual([1, []]);
  third.succeed();
  await Promise.all([added, ended]);
  expect([work.count, seen]).toEqual([0, ['ended']]);
});

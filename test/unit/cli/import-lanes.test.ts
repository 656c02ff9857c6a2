import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { forEachInLanes } from '../../../src/cli/import/lanes.ts';

interface Item {
  readonly user: string;
  readonly number: number;
}

const never = new AbortController().signal;
const userOf = ({ user }: Item): string => user;
/** "aab": the first and second item of a, the first of b. */
const itemsOf = (users: string): Item[] => [...users].map((user, number) => ({ user, number }));

async function* inBatches(items: readonly Item[], size: number, read: (count: number) => void = () => undefined): AsyncGenerator<Item[]> {
  for (let from = 0; from < items.length; from += size) {
    const batch = items.slice(from, from + size);
    read(batch.length);
    yield batch;
  }
}

/** Work that ends when the test says so. */
function heldWork() {
  const running = new Map<number, { end: () => void; fail: (cause: Error) => void }>();
  const begun: number[] = [];
  /** Held under the number of its first item. */
  const work = (items: readonly Item[]): Promise<void> =>
    new Promise((resolve, reject) => {
      begun.push(...items.map(({ number }) => number));
      const { number } = items[0]!;
      const leave = () => running.delete(number);
      running.set(number, { end: () => (leave(), resolve()), fail: (cause) => (leave(), reject(cause)) });
    });
  return { work, running, begun };
}

/** Lets everything run that waits for nothing but its turn. */
const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

describe('forEachInLanes', () => {
  it('does everything once, begun in order for each user in bunches, and never more than the bounds at once', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom('a', 'b', 'c', 'd', 'e'), { maxLength: 300 }),
        fc.record({
          togetherMax: fc.integer({ min: 1, max: 4 }),
          inFlightMax: fc.integer({ min: 1, max: 6 }),
          aheadMax: fc.integer({ min: 1, max: 200 }),
        }),
        fc.integer({ min: 1, max: 50 }),
        fc.scheduler(),
        async (users, bounds, batchSize, scheduler) => {
          const items = itemsOf(users.join(''));
          const done: Item[] = [];
          const begun: Item[] = [];
          const atWork = new Set<Item>();
          let read = 0;
          const work = async (bunch: readonly Item[]): Promise<void> => {
            const [{ user }] = bunch as [Item];
            expect(bunch.every((item) => item.user === user)).toBe(true);
            expect(bunch.length).toBeLessThanOrEqual(bounds.togetherMax);
            expect([...atWork].some((item) => item.user === user)).toBe(false);
            for (const item of bunch) atWork.add(item);
            begun.push(...bunch);
            expect(atWork.size).toBeLessThanOrEqual(bounds.inFlightMax);
            await scheduler.schedule(Promise.resolve());
            for (const item of bunch) atWork.delete(item);
            done.push(...bunch);
          };
          const readMore = (count: number): void => {
            // What is read and not done is at work or waits; the batch that comes now is the only one beyond the bound.
            expect(read - done.length - atWork.size).toBeLessThan(bounds.aheadMax);
            read += count;
          };
          const finished = forEachInLanes(inBatches(items, batchSize, readMore), { ...bounds, keyOf: userOf, signal: never, work });
          await scheduler.waitFor(finished);
          expect(done.toSorted((a, b) => a.number - b.number)).toEqual(items);
          for (const user of new Set(users)) {
            const numbers = begun.filter((item) => item.user === user).map(({ number }) => number);
            expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
          }
        },
      ),
    );
  });

  it('does everything at whatever moment the batches end and work does', async () => {
    for (let apart = -8; apart <= 8; apart++) {
      const { work, running, begun } = heldWork();
      let endBatches = () => {};
      const ending = new Promise<void>((resolve) => (endBatches = resolve));
      const batches = (async function* () {
        yield itemsOf('aa');
        await ending;
      })();
      const all = forEachInLanes(batches, { keyOf: userOf, togetherMax: 1, inFlightMax: 1, aheadMax: 10, signal: never, work });
      await turn();
      const ends = [endBatches, () => running.get(0)!.end()];
      const [later, now] = apart < 0 ? ends : ends.toReversed();
      // It takes its place among what runs before the other one does.
      const waited = (async () => {
        for (let n = 0; n < Math.abs(apart); n++) await Promise.resolve();
      })();
      void waited.then(later);
      now!();
      await turn();
      expect(begun).toEqual([0, 1]);
      let isOver = false;
      void all.then(() => (isOver = true));
      await turn();
      expect(isOver).toBe(false);
      running.get(1)!.end();
      await all;
    }
  });

  it('goes on with other users while one is busy, and takes the one with the most to do first', async () => {
    const { work, running, begun } = heldWork();
    const finished = forEachInLanes(inBatches(itemsOf('abbbccd'), 7), {
      keyOf: userOf,
      togetherMax: 1,
      inFlightMax: 2,
      aheadMax: 100,
      signal: never,
      work,
    });
    await turn();
    expect(begun).toEqual([1, 4]);
    running.get(4)!.end();
    await turn();
    // Of a, c and d, with one item each, any.
    expect(begun).toHaveLength(3);
    while (running.size > 0) {
      for (const { end } of [...running.values()]) end();
      await turn();
    }
    await finished;
    expect(begun.toSorted()).toEqual([0, 1, 2, 3, 4, 5, 6]);
  });

  it('hands over together what belongs together, and the next bunch when it has ended', async () => {
    const { work, running, begun } = heldWork();
    const finished = forEachInLanes(inBatches(itemsOf('abbbbb'), 6), {
      keyOf: userOf,
      togetherMax: 3,
      inFlightMax: 5,
      aheadMax: 100,
      signal: never,
      work,
    });
    await turn();
    expect(begun).toEqual([1, 2, 3, 0]);
    running.get(0)!.end();
    await turn();
    expect(begun).toHaveLength(4);
    running.get(1)!.end();
    await turn();
    expect(begun).toEqual([1, 2, 3, 0, 4, 5]);
    for (const { end } of [...running.values()]) end();
    await finished;
  });

  it('begins nothing after a failure, awaits what runs, and throws the failure', async () => {
    const { work, running, begun } = heldWork();
    const finished = forEachInLanes(inBatches(itemsOf('abcd'), 2), {
      keyOf: userOf,
      togetherMax: 1,
      inFlightMax: 2,
      aheadMax: 1,
      signal: never,
      work,
    });
    const outcome = expect(finished).rejects.toThrow('no');
    let ended = false;
    void finished.catch(() => (ended = true));
    await turn();
    running.get(0)!.fail(new Error('no'));
    await turn();
    expect({ begun: begun.toSorted(), ended }).toEqual({ begun: [0, 1], ended: false });
    running.get(1)!.end();
    await outcome;
    expect(begun).toHaveLength(2);
  });

  it('stops in the same way when told to', async () => {
    const { work, running, begun } = heldWork();
    const stop = new AbortController();
    const finished = forEachInLanes(inBatches(itemsOf('abc'), 3), {
      keyOf: userOf,
      togetherMax: 1,
      inFlightMax: 1,
      aheadMax: 9,
      signal: stop.signal,
      work,
    });
    const outcome = expect(finished).rejects.toThrow('enough');
    await turn();
    stop.abort(new Error('enough'));
    running.get(begun[0]!)!.end();
    await outcome;
    expect(begun).toHaveLength(1);
  });

  it('stops in the same way when the items cannot be read on', async () => {
    const { work, running, begun } = heldWork();
    async function* broken(): AsyncGenerator<Item[]> {
      yield itemsOf('aab');
      throw new Error('line 4');
    }
    const finished = forEachInLanes(broken(), { keyOf: userOf, togetherMax: 1, inFlightMax: 1, aheadMax: 9, signal: never, work });
    const outcome = expect(finished).rejects.toThrow('line 4');
    await turn();
    for (const { end } of [...running.values()]) end();
    await outcome;
    expect(begun).toEqual([0]);
  });
});

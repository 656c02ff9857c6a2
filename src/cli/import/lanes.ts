import type { NonEmpty } from '../../events/event-log.ts';

export interface LaneOptions<T, K> {
  /** Items with the same key are begun in their order. */
  readonly keyOf: (item: T) => K;
  /** Items with the same key that are begun together; the next ones when all of these have ended. */
  readonly togetherMax: number;
  /** Items at work at the same time, over all keys. */
  readonly inFlightMax: number;
  /** Items read ahead of their turn, in search of keys that are free; a whole batch may go beyond it. */
  readonly aheadMax: number;
  readonly signal: AbortSignal;
  /** Works on items with the same key, in their order. */
  readonly work: (items: NonEmpty<T>) => Promise<void>;
}

interface Lane<T> {
  items: T[];
  /** Index of the next item: those before it are done with, and let go together. */
  next: number;
  /** Items at work. */
  running: number;
  /** Neighbours among the free lanes of the same length. */
  before: Lane<T> | undefined;
  after: Lane<T> | undefined;
}

/** A lane lets go of what is done with when it is more than this, and more than what still waits. */
const doneMax = 64;

/**
 * Works on the items of all batches, many at once, and on those of one key in bunches, one bunch after the other: what belongs to one key can
 * share work, but what waits behind a bunch would only hold a place in which another key could go on. After the first failure, or when `signal`
 * aborts, nothing is begun any more; what runs is awaited, then the failure is thrown.
 */
export async function forEachInLanes<T, K>(batches: AsyncIterable<readonly T[]>, options: LaneOptions<T, K>): Promise<void> {
  const { keyOf, togetherMax, inFlightMax, aheadMax, signal, work } = options;
  /** One for each key, to the end: few are done with before the others, and a map that is emptied all the time costs more (see linked-list.ts). */
  const lanes = new Map<K, Lane<T>>();
  const free = createLongestFirst<T>();
  let waiting = 0;
  let running = 0;
  let beginning = false;
  let failed: { readonly cause: unknown } | undefined;
  let wake = () => {};

  const stopped = () => failed !== undefined || signal.aborted;

  const add = (item: T): void => {
    const key = keyOf(item);
    let lane = lanes.get(key);
    if (lane === undefined) lanes.set(key, (lane = { items: [], next: 0, running: 0, before: undefined, after: undefined }));
    else if (lane.running === 0) free.remove(lane);
    lane.items.push(item);
    if (lane.running === 0) free.add(lane);
    waiting++;
  };

  const begin = (): void => {
    while (running < inFlightMax && waiting > 0 && !stopped()) {
      const lane = free.take();
      if (lane === undefined) return;
      lane.running = Math.min(togetherMax, inFlightMax - running, lane.items.length - lane.next);
      waiting -= lane.running;
      running += lane.running;
      work(taken(lane, lane.running)).then(
        () => ended(lane),
        (cause: unknown) => {
          failed ??= { cause };
          ended(lane);
        },
      );
    }
  };

  const ended = (lane: Lane<T>): void => {
    running -= lane.running;
    lane.running = 0;
    if (lane.next < lane.items.length) free.add(lane);
    else clear(lane);
    // What ends together makes room for bunches that are as large.
    if (!beginning) {
      beginning = true;
      queueMicrotask(() => {
        beginning = false;
        begin();
        wake();
      });
    }
  };

  const until = async (holds: () => boolean): Promise<void> => {
    while (!holds()) await new Promise<void>((resolve) => (wake = resolve));
  };

  try {
    for await (const batch of batches) {
      if (stopped()) break;
      for (const item of batch) add(item);
      begin();
      await until(() => waiting < aheadMax || stopped());
    }
    await until(() => waiting === 0 || stopped());
  } catch (cause) {
    failed ??= { cause };
  }
  await until(() => running === 0);
  if (failed) throw failed.cause;
  signal.throwIfAborted();
}

function clear(lane: Lane<unknown>): void {
  lane.items = [];
  lane.next = 0;
}

function taken<T>(lane: Lane<T>, count: number): NonEmpty<T> {
  const items = lane.items.slice(lane.next, lane.next + count) as unknown as NonEmpty<T>;
  lane.next += count;
  if (lane.next > doneMax && lane.next * 2 > lane.items.length) {
    lane.items = lane.items.slice(lane.next);
    lane.next = 0;
  }
  return items;
}

/**
 * The lanes in which something waits and nothing runs, by how much waits: the longest lane goes first, or it would still be on its way,
 * alone, when all others are through. Lanes of one length are chained, so that each can be taken out at once.
 */
function createLongestFirst<T>() {
  const firstOfLength: (Lane<T> | undefined)[] = [];
  let longest = 0;
  const lengthOf = (lane: Lane<T>) => lane.items.length - lane.next;

  const remove = (lane: Lane<T>): void => {
    const { before, after } = lane;
    if (before === undefined) firstOfLength[lengthOf(lane)] = after;
    else before.after = after;
    if (after !== undefined) after.before = before;
    lane.before = undefined;
    lane.after = undefined;
  };

  return {
    remove,
    add(lane: Lane<T>): void {
      const length = lengthOf(lane);
      while (firstOfLength.length <= length) firstOfLength.push(undefined);
      const after = firstOfLength[length];
      if (after !== undefined) after.before = lane;
      lane.after = after;
      firstOfLength[length] = lane;
      longest = Math.max(longest, length);
    },
    take(): Lane<T> | undefined {
      while (longest > 0 && firstOfLength[longest] === undefined) longest--;
      const lane = firstOfLength[longest];
      if (lane !== undefined) remove(lane);
      return lane;
    },
  };
}

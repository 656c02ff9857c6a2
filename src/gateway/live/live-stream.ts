import { setImmediate as nextTurn } from 'node:timers/promises';
import { limits } from '../../limits.ts';
import { apiError } from '../errors.ts';
import type { Pushed } from './pushed.ts';

/** Where a stream's items go: a socket, or whoever iterates. */
export interface Sink<Item> {
  /** Hands an item over. A promise when it takes longer; then nothing else is delivered before it has resolved. */
  deliver(item: Item): Promise<void> | undefined;
  /** A promise that resolves when the receiver has room again; undefined when it has. */
  room(): Promise<void> | undefined;
  /** The last call: `error` is what ended the stream, undefined when it just ended. */
  ended(error?: Error): void;
}

export const consumerTooSlow = () =>
  apiError('CONSUMER_TOO_SLOW', 'More was waiting for this subscriber than can be kept. Resume from the last cursor.');

/**
 * What one subscriber is pushed, in order. The line of a receiver that has no room is short; that of one whose fields take us time to read holds a whole
 * burst, since who reads all that it is sent is not too slow.
 *
 * *Idle*: nothing waits; an item goes straight to the sink, without a promise. *Pumping*: the sink or the read model needs time, so items wait in
 * line, bounded, and a loop hands them over one by one. *Ended*: by the subscriber, or by an error that it is told.
 */
export class LiveStream<Item extends Pushed> implements AsyncIterable<Item> {
  readonly #onEnd: () => void;
  readonly #load: (items: readonly Item[]) => Promise<void>;
  #ended = false;
  /** What ended it, for a sink that comes later. */
  #failure: Error | undefined;
  #sink: Sink<Item> | undefined;
  /** What was missed and read in one go: not counted against the bound, since its size has one of its own. */
  #missed: readonly Item[] = [];
  #missedAt = 0;
  #waiting: Item[] = [];
  #pumping = false;
  /** The line waits for the receiver, and not for what its items are read from. */
  #full = false;
  /** Taken out of the line, not yet delivered: its fields are being read. */
  #inHand: Item | undefined;

  /** `load` reads the fields of items that have none yet; `onEnd` is called once, however the stream ends. */
  constructor(options: { onEnd: () => void; load?: (items: readonly Item[]) => Promise<void> }) {
    this.#onEnd = options.onEnd;
    this.#load = options.load ?? (async () => undefined);
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Everything that waits, for whoever must take something out of it. */
  *waiting(): Iterable<Item> {
    if (this.#inHand !== undefined) yield this.#inHand;
    for (let at = this.#missedAt; at < this.#missed.length; at += 1) yield this.#missed[at] as Item;
    yield* this.#waiting;
  }

  attach(sink: Sink<Item>): void {
    this.#sink = sink;
    // It may have failed before anybody listened.
    if (this.#ended) sink.ended(this.#failure);
    else this.#startPump();
  }

  /** What was missed comes before all that is pushed. Called at most once, before the first push. */
  begin(missed: readonly Item[]): void {
    this.#missed = missed;
    this.#startPump();
  }

  push(item: Item): void {
    if (this.#ended) return;
    if (this.#sink !== undefined && !this.#pumping && item.loaded) {
      return this.#hand(this.#sink, item);
    }
    const max = this.#full ? limits.subscriberBufferEntriesMax : limits.subscriberExecutionsWaitingMax;
    if (this.#waiting.length >= max) return this.fail(consumerTooSlow());
    this.#waiting.push(item);
    this.#startPump();
  }

  end(): void {
    this.#finish();
  }

  fail(error: Error): void {
    this.#finish(error);
  }

  [Symbol.asyncIterator](): AsyncIterator<Item> {
    return iterate(this);
  }

  #finish(error?: Error): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#failure = error;
    this.#missed = [];
    this.#waiting = [];
    this.#onEnd();
    this.#sink?.ended(error);
  }

  /** What goes wrong with one subscriber must not reach the feed, which has others to serve. */
  #hand(sink: Sink<Item>, item: Item): void {
    if (item.gone) return;
    try {
      const delivering = sink.deliver(item);
      if (delivering !== undefined) return void this.#pump(delivering);
      const room = sink.room();
      if (room !== undefined) void this.#pump(this.#waitFor(room));
    } catch (error) {
      this.fail(asError(error));
    }
  }

  #startPump(): void {
    if (this.#sink === undefined || this.#pumping || this.#ended) return;
    if (this.#missedAt < this.#missed.length || this.#waiting.length > 0) void this.#pump();
  }

  async #pump(first?: Promise<void>): Promise<void> {
    this.#pumping = true;
    try {
      await first;
      for (let handed = 1; !this.#ended; handed += 1) {
        const item = this.#next();
        if (item === undefined) break;
        if (!item.loaded) {
          this.#inHand = item;
          await this.#load([...this.waiting()].filter(({ loaded }) => !loaded));
          this.#inHand = undefined;
        }
        if (this.#ended) break;
        if (!item.gone) await this.#sink?.deliver(item);
        const room = this.#sink?.room();
        if (room !== undefined) await this.#waitFor(room);
        // A thousand executions in a row would keep everybody else waiting.
        if (handed % 32 === 0) await nextTurn();
      }
    } catch (error) {
      this.fail(asError(error));
    } finally {
      this.#pumping = false;
    }
  }

  async #waitFor(room: Promise<void>): Promise<void> {
    this.#full = true;
    await room;
    this.#full = false;
  }

  #next(): Item | undefined {
    if (this.#missedAt < this.#missed.length) return this.#missed[this.#missedAt++];
    this.#missed = [];
    this.#missedAt = 0;
    return this.#waiting.shift();
  }
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}

/** For whoever pulls: the stream's own queue is the buffer, here waits one item at most. */
function iterate<Item extends Pushed>(stream: LiveStream<Item>): AsyncIterator<Item> {
  let offered: { item: Item; taken: () => void } | undefined;
  let pull: { resolve: (result: IteratorResult<Item>) => void; reject: (error: Error) => void } | undefined;
  let over: { error?: Error } | undefined;
  stream.attach({
    deliver(item) {
      if (pull !== undefined) {
        pull.resolve({ value: item, done: false });
        pull = undefined;
        return undefined;
      }
      return new Promise((taken) => {
        offered = { item, taken };
      });
    },
    room: () => undefined,
    ended(error) {
      over = error === undefined ? {} : { error };
      offered?.taken();
      if (pull === undefined) return;
      if (error === undefined) pull.resolve({ value: undefined, done: true });
      else pull.reject(error);
      over = {};
    },
  });
  return {
    next() {
      if (over?.error !== undefined) {
        const { error } = over;
        over = {};
        return Promise.reject(error);
      }
      if (over !== undefined) return Promise.resolve({ value: undefined, done: true });
      if (offered === undefined) {
        return new Promise((resolve, reject) => {
          pull = { resolve, reject };
        });
      }
      const { item, taken } = offered;
      offered = undefined;
      taken();
      return Promise.resolve({ value: item, done: false });
    },
    async return() {
      stream.end();
      return { value: undefined, done: true };
    },
  };
}

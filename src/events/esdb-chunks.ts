import type { Readable } from 'node:stream';
import type { Clock } from '../clock.ts';
import { limits } from '../limits.ts';

export interface ChunkOptions {
  readonly clock: Clock;
  readonly signal: AbortSignal | undefined;
  readonly silenceMs: number;
  /** Called when nothing came for that long, at the latest after twice as long; it may throw to end the iteration. */
  readonly onSilence: () => Promise<void>;
}

/**
 * What a stream of objects has ready, at once, and again when there is more: so a slow reader gets large chunks and a fast one small ones.
 * Returns when the stream ends or the signal aborts; throws what the stream fails with, after what it gave before.
 */
export async function* chunksOf<Item>(source: Readable, { clock, signal, silenceMs, onSilence }: ChunkOptions): AsyncGenerator<Item[]> {
  let failure: { readonly error: unknown } | undefined;
  let ended = false;
  let wake = () => {};
  // Undefined while nobody waits: a slow reader is no silence.
  let waits: object | undefined;
  const left = new AbortController();
  const fail = (error: unknown) => {
    failure ??= { error };
    wake();
  };
  const onEnd = () => {
    ended = true;
    wake();
  };
  const onReadable = () => wake();
  // One timer for all the waits, each of which is short: nothing came when the same wait lasts from one look to the next.
  const watch = async () => {
    let before: object | undefined;
    while (!left.signal.aborted) {
      await clock.sleep(silenceMs, left.signal);
      if (waits !== undefined && waits === before && !left.signal.aborted) await onSilence();
      before = waits;
    }
  };
  // It stays when the iteration is left: an error that comes after it must not end the process.
  source.on('error', fail);
  source.on('readable', onReadable);
  source.on('end', onEnd);
  source.on('close', onEnd);
  signal?.addEventListener('abort', onReadable);
  void watch().catch(fail);
  try {
    while (!signal?.aborted) {
      const items = takeReady<Item>(source);
      if (items.length > 0) {
        yield items;
        continue;
      }
      if (failure) throw failure.error;
      if (ended) return;
      await new Promise<void>((resolve) => {
        waits = resolve;
        wake = resolve;
      });
      waits = undefined;
    }
  } finally {
    left.abort();
    signal?.removeEventListener('abort', onReadable);
    source.off('readable', onReadable);
    source.off('end', onEnd);
    source.off('close', onEnd);
  }
}

function takeReady<Item>(source: Readable): Item[] {
  const items: Item[] = [];
  while (items.length < limits.esdbEventsBufferedMax) {
    const item = source.read() as Item | null;
    if (item === null) break;
    items.push(item);
  }
  return items;
}

/** What the promise gives, or undefined when it takes longer; what becomes of it then is nobody's concern. */
export async function within<T>(clock: Clock, ms: number, promise: Promise<T>): Promise<T | undefined> {
  const answered = new AbortController();
  try {
    return await Promise.race([promise, clock.sleep(ms, answered.signal).then(() => undefined)]);
  } finally {
    answered.abort();
    promise.catch(() => {});
  }
}

/** The last of all items, or undefined when there is none. */
export async function lastOf<Item>(chunks: AsyncIterable<readonly Item[]>): Promise<Item | undefined> {
  let last: Item | undefined;
  for await (const chunk of chunks) last = chunk.at(-1) ?? last;
  return last;
}

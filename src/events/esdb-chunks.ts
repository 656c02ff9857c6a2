import type { Readable } from 'node:stream';
import type { Clock } from '../clock.ts';
import { limits } from '../limits.ts';

export interface ChunkOptions {
  readonly clock: Clock;
  readonly signal: AbortSignal | undefined;
  readonly silenceMs: number;
  /** Called whenever nothing came for that long; it may throw to end the iteration. */
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
  // The listener stays when the iteration is left: an error that comes after it must not end the process.
  source.on('error', (error) => {
    failure ??= { error };
    wake();
  });
  const onEnd = () => {
    ended = true;
    wake();
  };
  const onReadable = () => wake();
  source.on('readable', onReadable);
  source.on('end', onEnd);
  source.on('close', onEnd);
  signal?.addEventListener('abort', onReadable);
  try {
    while (!signal?.aborted) {
      const items = takeReady<Item>(source);
      if (items.length > 0) {
        yield items;
        continue;
      }
      if (failure) throw failure.error;
      if (ended) return;
      const woken = new Promise<true>((resolve) => (wake = () => resolve(true)));
      if ((await within(clock, silenceMs, woken)) === undefined) await onSilence();
    }
  } finally {
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

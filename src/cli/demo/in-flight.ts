/**
 * Works on the items of all batches, at most `max` at once, and begins them in their order. After the first failure, or when `signal` aborts,
 * none is begun any more; those that run are awaited, then the failure is thrown.
 */
export async function forEachInFlight<T>(
  batches: AsyncIterable<readonly T[]>,
  max: number,
  signal: AbortSignal,
  work: (item: T) => Promise<void>,
): Promise<void> {
  let running = 0;
  let failed: { readonly cause: unknown } | undefined;
  let wake: (() => void) | undefined;
  const settled = (): void => {
    running--;
    wake?.();
  };
  const begin = (item: T): void => {
    running++;
    work(item).then(settled, (cause: unknown) => {
      failed ??= { cause };
      settled();
    });
  };
  const fallBelow = async (bound: number): Promise<void> => {
    while (running >= bound) await new Promise<void>((resolve) => (wake = resolve));
  };
  try {
    for await (const batch of batches) {
      for (const item of batch) {
        if (running >= max) await fallBelow(max);
        signal.throwIfAborted();
        if (failed) throw failed.cause;
        begin(item);
      }
    }
  } finally {
    await fallBelow(1);
  }
  if (failed) throw failed.cause;
}

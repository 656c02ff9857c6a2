import { setTimeout as pause } from 'node:timers/promises';

/**
 * Waits until `condition` gives something truthy and returns it; a condition that throws counts as not yet.
 * @throws naming the condition and what it threw last, after `timeoutMs`.
 */
export async function eventually<T>(
  condition: () => T | Promise<T>,
  name: string,
  timeoutMs = 10_000,
  everyMs = 10,
): Promise<Exclude<T, false | 0 | '' | null | undefined>> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    let last: unknown;
    try {
      const value = await condition();
      if (value) return value as Exclude<T, false | 0 | '' | null | undefined>;
      last = value;
    } catch (cause) {
      last = cause;
    }
    if (performance.now() > end) throw new Error(`not within ${timeoutMs} ms: ${name} (last: ${describe(last)})`, { cause: last });
    await pause(everyMs);
  }
}

function describe(value: unknown): string {
  return value instanceof Error ? value.message : String(value);
}

const chosen = process.env['STARLING_SEED'];
const wanted = process.env['STARLING_SEEDS'];
/** After that a run in passing has looked at enough, on whatever machine, if it has looked at a quarter of its seeds. */
const enoughMs = 12_000;

/** Somebody wants to see one seed again, and nothing else. */
export const isOneSeed = chosen !== undefined;

/**
 * The seeds of this run: new ones each time, so that every run looks somewhere else. `STARLING_SEED=n` runs one alone, exactly as it ran;
 * `STARLING_SEEDS=n` runs so many, for a long look. Without either, a slow machine looks at fewer than `count`.
 */
export function newSeeds(count: number): readonly number[] {
  if (chosen !== undefined) return [Number(chosen)];
  const first = Math.floor(Date.now() / 1000);
  return from(first, Number(wanted ?? count));
}

/** Always the same, for what must be noticed. */
export function fixedSeeds(count: number): readonly number[] {
  return from(1, count);
}

function from(first: number, count: number): readonly number[] {
  return Array.from({ length: count }, (_, n) => first + n);
}

/** The first seed that fails, and how. */
export async function firstFailure(
  seeds: Iterable<number>,
  simulate: (seed: number) => Promise<unknown>,
): Promise<{ seed: number; error: unknown } | undefined> {
  for (const seed of seeds) {
    try {
      await simulate(seed);
    } catch (error) {
      return { seed, error };
    }
  }
  return undefined;
}

/** @throws naming the seed that fails, and how to see it again. */
export async function allPass(file: string, seeds: readonly number[], simulate: (seed: number) => Promise<unknown>): Promise<void> {
  const failure = await firstFailure(wanted === undefined ? untilEnough(seeds) : seeds, simulate);
  if (failure === undefined) return;
  const { seed, error } = failure;
  throw new Error(`seed ${seed}: run it alone with STARLING_SEED=${seed} npx vitest run ${file}`, { cause: error });
}

function* untilEnough(seeds: readonly number[]): Generator<number> {
  const begunAt = performance.now();
  for (const [index, seed] of seeds.entries()) {
    if (performance.now() - begunAt > enoughMs && index >= seeds.length / 4) return;
    yield seed;
  }
}

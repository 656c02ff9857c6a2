import { randomBytes } from 'node:crypto';

/** Chance as an argument, so that a seed reproduces a run. */
export interface Random {
  /** `count` random bytes; from the operating system's generator unless seeded. */
  bytes(count: number): Uint8Array;
  /** A float in [0, 1). */
  float(): number;
}

/** Asking the operating system for sixteen bytes costs as much as for thousands, and every command needs some. */
const poolBytes = 4096;
let pool = new Uint8Array();
let taken = 0;

export const systemRandom: Random = {
  bytes(count) {
    if (count > poolBytes / 4) return randomBytes(count);
    if (taken + count > pool.length) {
      pool = randomBytes(poolBytes);
      taken = 0;
    }
    const bytes = new Uint8Array(pool.subarray(taken, taken + count));
    // Some become tokens: no copy stays behind.
    pool.fill(0, taken, taken + count);
    taken += count;
    return bytes;
  },
  float: () => Math.random(),
};

/** The same seed gives the same numbers, for ever. Never for secrets. Source: Mulberry32, Tommy Ettinger, public domain. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const float = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  };
  return {
    float,
    bytes: (count) => Uint8Array.from({ length: count }, () => Math.floor(float() * 256)),
  };
}

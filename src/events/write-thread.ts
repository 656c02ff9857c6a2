import type { Clock } from '../clock.ts';
import { limits } from '../limits.ts';

// Where a group of commits is written: by another thread, beside everything else, or on the main thread while all else waits. To hand a group over
// costs a wake-up in each direction, and where other threads compute, as long a wait for a core each time the disk has answered: more than a fast disk
// takes. So a large group is written on the main thread, as long as that is short.

export interface WriteThread {
  /** Is this group to be written on the main thread? */
  isMain(commits: number): boolean;
  /** So long did the main thread write one. */
  took(ms: number): void;
}

/** Of one group in the mean: a disk that is slow is noticed after some ten, a single long wait for a core changes nothing. */
const weight = 1 / 32;

export function createWriteThread(clock: Clock): WriteThread {
  let meanMs = 0;
  let restUntil = -Infinity;
  return {
    isMain: (commits) => commits >= limits.mainThreadCommitsMin && clock.monotonicMs() >= restUntil,
    took(ms) {
      meanMs += (ms - meanMs) * weight;
      if (meanMs <= limits.mainThreadWriteMsMax) return;
      meanMs = 0;
      restUntil = clock.monotonicMs() + limits.mainThreadWriteRestMs;
    },
  };
}

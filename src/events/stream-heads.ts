import { limits } from '../limits.ts';
import type { StreamHead } from './event-log.ts';
import type { StreamName } from './ids.ts';

// Where each stream ends. Written with every append, this table would cost a random page of the disk for each; so the newest heads are held in memory
// and go to disk later, sorted, a slice with each group of appends: neighbours share pages. What is held is lost in a crash and read again from the
// commits after `indexed`, the last one whose head, like those of all before it, is on disk.

export interface HeadSlice {
  readonly heads: readonly (readonly [StreamName, StreamHead])[];
  /** Set in the last slice: all heads up to this commit are then on disk. */
  readonly indexed: number | undefined;
}

export interface StreamHeads {
  get(stream: StreamName): StreamHead | undefined;
  /** A commit that is on disk. */
  record(stream: StreamName, head: StreamHead): void;
  /** What to write together with a group of `commits` appends: nothing until enough is held. */
  slice(commits: number): HeadSlice | undefined;
  /** All that is held, in one slice. */
  rest(): HeadSlice | undefined;
  /** The slice is on disk. */
  written(slice: HeadSlice): void;
}

/** Neighbours of one slice: some pages, whatever the load. */
const sliceMin = 32;

export function createStreamHeads(options: { indexed: number; headOnDisk: (stream: StreamName) => StreamHead | undefined }): StreamHeads {
  let indexed = options.indexed;
  let last = indexed;
  let held = new Map<StreamName, StreamHead>();
  /** Held before these: on their way to disk or there, still good to read. */
  let heldBefore = new Map<StreamName, StreamHead>();
  /** Those of `heldBefore` sorted; the first `done` are on disk, and with the last of them every head up to commit `last`. */
  let leaving: { heads: [StreamName, StreamHead][]; last: number; done: number } | undefined;

  const leave = () => {
    // Names sort as their keys do, or nearly; it is for the sake of neighbourhood alone.
    const heads = [...held].toSorted(([a], [b]) => (a < b ? -1 : 1));
    leaving = { heads, last, done: 0 };
    heldBefore = held;
    held = new Map();
    return leaving;
  };

  return {
    get: (stream) => held.get(stream) ?? heldBefore.get(stream) ?? options.headOnDisk(stream),
    record(stream, head) {
      held.set(stream, head);
      last = head.position.commit;
    },
    slice(commits) {
      if (!leaving && held.size < limits.streamHeadsHeldMax && last - indexed < limits.commitsNotIndexedMax) return undefined;
      const { heads, done, last: lastLeaving } = leaving ?? leave();
      // Twice as many as arrive, so that these are gone before the next ones are too many.
      const slice = heads.slice(done, done + Math.max(sliceMin, 2 * commits));
      return { heads: slice, indexed: done + slice.length === heads.length ? lastLeaving : undefined };
    },
    rest() {
      if (last === indexed) return undefined;
      return { heads: [...(leaving?.heads.slice(leaving.done) ?? []), ...held], indexed: last };
    },
    written(slice) {
      if (leaving) leaving.done += slice.heads.length;
      if (slice.indexed === undefined) return;
      indexed = slice.indexed;
      leaving = undefined;
    },
  };
}

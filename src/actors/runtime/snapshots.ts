import type { StreamName } from '../../events/ids.ts';

/**
 * Keeps the last snapshot of a stream. Nothing depends on it: what is lost, old, of another log or damaged costs a longer recovery,
 * and whoever reads the bytes checks them (see `recollection-bytes.ts`).
 */
export interface SnapshotStore {
  load(stream: StreamName): Promise<Uint8Array | undefined>;
  /** Replaces the snapshot of the stream. `version`: of the last event that went into it. */
  save(stream: StreamName, version: number, bytes: Uint8Array): Promise<void>;
}

export function createMemorySnapshots(): SnapshotStore {
  const kept = new Map<StreamName, { version: number; bytes: Uint8Array }>();
  return {
    load: async (stream) => kept.get(stream)?.bytes,
    async save(stream, version, bytes) {
      if (version > (kept.get(stream)?.version ?? -1)) kept.set(stream, { version, bytes });
    },
  };
}

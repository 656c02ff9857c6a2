import { limits } from '../limits.ts';
import { LogCorrupt, LogUnavailable } from './event-log.ts';
import type { PendingCommit } from './group-commit.ts';
import type { StoredCommits } from './journal-format.ts';
import type { LmdbStore } from './lmdb-store.ts';
import { decodeStored } from './stored-format.ts';
import { headAfter } from './stream-chain.ts';

// What a journal holds that is not in its place: after a crash, and, for who only reads, at any time. The journal is read first, and then where the table
// ends: what is moved in between is seen twice, and never missed.

/** The commits of a journal that are not in their place. @throws {LogCorrupt} when some are missing before them. */
function commitsBehind(store: LmdbStore, areas: readonly StoredCommits[]): StoredCommits {
  const first = store.last() + 1;
  const behind: Uint8Array[] = [];
  for (const { first: number, stored } of areas.toSorted((a, b) => a.first - b.first)) {
    const next = first + behind.length;
    if (stored.length === 0 || number + stored.length <= next) continue;
    if (number > next) {
      throw new LogCorrupt(
        `the journal beside ${store.path} goes on with commit ${number}, but commit ${next} is missing: put the file in its place that belongs to it`,
      );
    }
    behind.push(...stored.slice(next - number));
  }
  return { first, stored: behind };
}

/** Puts what an earlier process left in the journal in its place. @throws what a write does. @throws {LogCorrupt} */
export async function recoverFrom(areas: readonly StoredCommits[], store: LmdbStore): Promise<void> {
  const { first, stored } = commitsBehind(store, areas);
  const group = stored.map((encoded, index): PendingCommit => {
    const recorded = decodeStored(first + index, encoded);
    return { stream: recorded.stream, recorded, encoded: Buffer.from(encoded), bytes: encoded.length, head: headAfter(store.id, recorded) };
  });
  if (group.length > 0 && !(await store.write(group, undefined)))
    throw new LogUnavailable(`another process writes ${store.path}: only one may`);
}

/** For who only reads: what is in the journal stands behind what is in its place, each time that it is asked for the end. */
export function createReadingStore(store: LmdbStore, read: () => readonly StoredCommits[]): LmdbStore {
  /** While another process writes the journal, one part of it may be read before and another one after a write. */
  const behindNow = (tries = 1): StoredCommits => {
    const areas = read();
    try {
      return commitsBehind(store, areas);
    } catch (error) {
      if (!(error instanceof LogCorrupt) || tries === limits.journalReadTriesMax) throw error;
      return behindNow(tries + 1);
    }
  };
  let behind = behindNow();
  return {
    ...store,
    last() {
      behind = behindNow();
      return behind.first - 1 + behind.stored.length;
    },
    commit: (number) => behind.stored[number - behind.first] ?? store.commit(number),
  };
}

import type { SizedCommit } from './batches.ts';
import { LogCorrupt } from './event-log.ts';
import * as format from './stored-format.ts';
import type { CommitStore } from './stored-log.ts';
import { headAfter } from './stream-chain.ts';
import { createStreamHeads } from './stream-heads.ts';
import type { StreamHeads } from './stream-heads.ts';

/** @throws {LogCorrupt} */
export function storedBytes(store: CommitStore, commit: number): Uint8Array {
  const bytes = store.commit(commit);
  if (bytes === undefined) throw new LogCorrupt(`commit ${commit} is missing from the log`);
  return bytes;
}

/** @throws {LogCorrupt} */
export function readStored(store: CommitStore, commit: number): SizedCommit {
  const bytes = storedBytes(store, commit);
  return { recorded: format.decodeStored(commit, bytes), bytes: bytes.length };
}

/** Where streams end as of commit `last`: what is stored of it, and what the commits after that say. */
export function headsAt(store: CommitStore, last: number): StreamHeads {
  const indexed = store.indexed();
  const opened = createStreamHeads({
    indexed,
    headOnDisk(stream) {
      const bytes = store.head(stream);
      return bytes && format.decodeHead(store.id, bytes);
    },
  });
  for (let commit = indexed + 1; commit <= last; commit += 1) {
    const { recorded } = readStored(store, commit);
    opened.record(recorded.stream, headAfter(store.id, recorded));
  }
  return opened;
}

import { limits } from '../limits.ts';
import type { RecordedCommit } from './event-log.ts';

export interface SizedCommit {
  readonly recorded: RecordedCommit;
  /** Size of its encoding: what the bounds of memory are counted in. */
  readonly bytes: number;
}

/** What reads and subscriptions hand out: whole commits, at least one, bounded in number and bytes (a single larger commit goes alone). */
export function takeBatch(commits: Iterable<SizedCommit>): RecordedCommit[] {
  const batch: RecordedCommit[] = [];
  let batchBytes = 0;
  for (const { recorded, bytes } of commits) {
    batchBytes += bytes;
    if (batch.length > 0 && batchBytes > limits.bytesPerBatchMax) break;
    batch.push(recorded);
    if (batch.length >= limits.commitsPerBatchMax) break;
  }
  return batch;
}

/** The elements from an index on, without a copy. */
export function* elementsFrom<T>(array: readonly T[], from: number): Generator<T> {
  for (let at = from; at < array.length; at += 1) yield array[at] as T;
}

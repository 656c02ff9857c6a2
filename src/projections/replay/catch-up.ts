import type { EventLog, RecordedCommit } from '../../events/event-log.ts';
import { positionOf } from '../../events/position.ts';
import { limits } from '../../limits.ts';
import { openCommitSource } from '../commit-source.ts';

/** Hands over every commit after `place` up to `targetCommit`, in order and in large batches, reading ahead. @throws when the log ends before. */
export async function forEachCommit(
  log: EventLog,
  place: string | null,
  targetCommit: number,
  { signal, eventsPerBatch = limits.eventsPerReplayBatchMax }: { signal: AbortSignal; eventsPerBatch?: number | undefined },
  work: (commits: readonly RecordedCommit[]) => Promise<void>,
): Promise<void> {
  let reached = place === null ? 0 : positionOf(log.id, place).commit;
  if (reached >= targetCommit) return;
  const source = openCommitSource(log, place === null ? 'start' : positionOf(log.id, place), {
    readAheadEvents: 2 * eventsPerBatch,
    signal,
  });
  try {
    while (reached < targetCommit) {
      const taken = await source.take(eventsPerBatch);
      signal.throwIfAborted();
      if (taken === undefined) throw new Error('the log was closed before its end was reached');
      const commits = taken.at(-1)!.commit <= targetCommit ? taken : taken.filter(({ commit }) => commit <= targetCommit);
      if (commits.length > 0) await work(commits);
      reached = taken.at(-1)!.commit;
    }
  } finally {
    source.close();
  }
}

import { LogUnavailable } from '../../events/event-log.ts';
import type { EventLog, RecordedCommit } from '../../events/event-log.ts';
import type { Position } from '../../events/position.ts';

/**
 * Batches of the commits after `after`, up to and with number `last`; then it ends, while the log may go on.
 * @throws {LogCorrupt} @throws {LogUnavailable} when the log was closed before.
 */
export async function* readCommits(
  log: EventLog,
  after: Position | 'start',
  last: number,
  signal: AbortSignal,
): AsyncGenerator<readonly RecordedCommit[]> {
  if (last <= (after === 'start' ? 0 : after.commit)) return;
  const enough = new AbortController();
  try {
    for await (const batch of log.subscribe(after, AbortSignal.any([signal, enough.signal]))) {
      const reached = batch.at(-1)!.commit >= last;
      const wanted = reached ? batch.filter(({ commit }) => commit <= last) : batch;
      if (wanted.length > 0) yield wanted;
      if (reached) return;
    }
    signal.throwIfAborted();
    throw new LogUnavailable('the log was closed while it was read');
  } finally {
    enough.abort();
  }
}

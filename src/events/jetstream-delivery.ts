import { setImmediate as nextTurn } from 'node:timers/promises';
import { limits } from '../limits.ts';
import { LogCorrupt, LogUnavailable } from './event-log.ts';
import type { StoredMessage } from './jetstream-api.ts';
import { openConsumer } from './jetstream-consumer.ts';
import type { Deliveries, DeliveryOptions } from './jetstream-consumer.ts';
import { commitOf } from './jetstream-message.ts';

/**
 * Messages from a sequence on in batches, then live ones, until aborted. A consumer of the server does the work for as long as it lives; one that was
 * lost, moved, fell silent or left something out is made anew from the message after the last one handed out: nothing is skipped and nothing comes twice.
 * @throws {LogUnavailable} when nothing came for `patienceMs`. @throws {LogCorrupt} when a message is missing.
 */
export async function* deliver(ports: Deliveries, options: DeliveryOptions): AsyncGenerator<readonly StoredMessage[]> {
  const { clock, logger, api, stream } = ports;
  const { signal, subject, patienceMs } = options;
  let next = options.from;
  let goodAt = clock.monotonicMs();
  while (!signal.aborted) {
    try {
      const opening = openConsumer(ports, { ...options, from: next });
      try {
        for await (const batch of oneByOne(ports, { from: next, subject, until: opening, signal })) {
          next = (batch.at(-1)?.sequence ?? next) + 1;
          goodAt = clock.monotonicMs();
          yield batch;
        }
        if (signal.aborted) return;
        const consumer = await opening;
        for (;;) {
          const taken = await consumer.take();
          if (taken === undefined) break;
          // A server that does not have the first one yet, because it is behind, begins with whatever comes next: with what was handed out before.
          const batch = taken.filter(({ sequence }) => sequence >= next);
          const found = batch[0]?.sequence;
          if (found === undefined) continue;
          if (subject === undefined && found !== next) {
            // Only who has what comes later can tell that something is missing.
            const there = await api.nextMessage(stream, '>', next);
            if (there !== undefined && there.sequence > next) throw new LogCorrupt(`commit ${commitOf(next)} is missing from the log`);
            logger.warn({ expected: next, found }, 'a consumer left out a commit; making it anew');
            break;
          }
          next = (batch.at(-1)?.sequence ?? next) + 1;
          goodAt = clock.monotonicMs();
          yield batch;
          // Who catches up would not let anybody else have a turn.
          if (batch.length === limits.commitsPerReadMax) await nextTurn();
        }
      } finally {
        opening.then(({ close }) => close()).catch(() => {});
      }
    } catch (error) {
      if (error instanceof LogCorrupt) throw error;
      logger.warn({ err: error, next }, 'no consumer of the event log could be made; trying again');
    }
    if (clock.monotonicMs() - goodAt > patienceMs) throw new LogUnavailable('JetStream delivers no commits: do most of its servers run?');
    await clock.sleep(limits.jetStreamRetryMs * (0.5 + ports.random.float()), signal);
  }
}

/**
 * Asks any replica for message after message until there is a consumer. All servers together have to agree on one, and cannot while they have no leader; and
 * they may give it to a server that just died. A replica that is behind has nothing more, and leaves nothing out.
 */
async function* oneByOne(
  { api, stream, clock }: Deliveries,
  { from, subject, until, signal }: { from: number; subject: string | undefined; until: Promise<unknown>; signal: AbortSignal },
): AsyncGenerator<readonly StoredMessage[]> {
  const over = new AbortController();
  const end = () => over.abort();
  until.then(end, end);
  const stop = AbortSignal.any([over.signal, signal]);
  let next = from;
  for (;;) {
    await clock.sleep(limits.jetStreamOneByOneMs, stop);
    const batch: StoredMessage[] = [];
    let bytes = 0;
    while (!stop.aborted && batch.length < limits.jetStreamSingleReadsMax && bytes < limits.bytesPerBatchMax) {
      const asked = subject === undefined ? api.messageAnywhere(stream, next) : api.nextMessageAnywhere(stream, subject, next);
      const message = await asked.catch(() => undefined);
      if (message === undefined) break;
      batch.push(message);
      bytes += message.data.length;
      next = message.sequence + 1;
    }
    if (batch.length > 0) yield batch;
    if (stop.aborted) return;
  }
}

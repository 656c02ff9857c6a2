import { setImmediate as nextTurn } from 'node:timers/promises';
import { createInbox } from 'nats';
import type { Msg, NatsConnection } from 'nats';
import type { Clock } from '../clock.ts';
import { limits } from '../limits.ts';
import type { Logger } from '../logger.ts';
import type { NatsRequests } from '../nats/nats-requests.ts';
import type { Random } from '../random.ts';
import { LogCorrupt, LogUnavailable } from './event-log.ts';
import type { JetStreamApi, StoredMessage } from './jetstream-api.ts';
import { commitOf } from './jetstream-message.ts';

export interface Deliveries {
  readonly connection: NatsConnection;
  readonly requests: NatsRequests;
  readonly api: JetStreamApi;
  readonly stream: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export interface DeliveryOptions {
  readonly from: number;
  /** Of one subject alone; without it, every message there is. */
  readonly subject?: string;
  readonly signal: AbortSignal;
  /** How long to go on trying while nothing comes. */
  readonly patienceMs: number;
}

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
        if (subject === undefined) {
          for await (const batch of oneByOne(ports, { from: next, until: opening, signal })) {
            next += batch.length;
            goodAt = clock.monotonicMs();
            yield batch;
          }
        }
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
 * they may give it to a server that just died.
 */
async function* oneByOne(
  { api, stream, clock }: Deliveries,
  { from, until, signal }: { from: number; until: Promise<unknown>; signal: AbortSignal },
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
      const message = await api.messageAnywhere(stream, next).catch(() => undefined);
      if (message === undefined) break;
      batch.push(message);
      bytes += message.data.length;
      next += 1;
    }
    if (batch.length > 0) yield batch;
    if (stop.aborted) return;
  }
}

/** `take`: the next messages as they came, or undefined when there will be none. */
async function openConsumer(ports: Deliveries, { from, subject, signal }: DeliveryOptions) {
  const { connection, requests, api, stream, clock, random, logger } = ports;
  const name = `starling-${Buffer.from(random.bytes(9)).toString('base64url')}`;
  await api.createConsumer(stream, name, {
    deliver_policy: 'by_start_sequence',
    opt_start_seq: from,
    ack_policy: 'none',
    replay_policy: 'instant',
    ...(subject !== undefined && { filter_subject: subject }),
    mem_storage: true,
    num_replicas: 1,
    inactive_threshold: limits.jetStreamConsumerIdleMs * 1e6,
  });

  const inbox = createInbox();
  const losses = requests.losses;
  const ended = new AbortController();
  let queue: StoredMessage[] = [];
  let queuedBytes = 0;
  /** Messages that the server may still send for the pulls that are open. */
  let wanted = 0;
  let delivered = 0;
  let heardAt = clock.monotonicMs();
  let broken = false;
  let wake = () => {};

  const fail = (why: string) => {
    if (!broken && !signal.aborted) logger.debug({ consumer: name, why }, 'a consumer of the event log is lost');
    broken = true;
    wake();
  };

  const subscription = connection.subscribe(inbox, {
    callback(error, message) {
      heardAt = clock.monotonicMs();
      if (error) return fail(error.message);
      if (broken) return;
      if (message.reply === '' || message.reply === undefined) statusCame(message);
      else commitCame(message, message.reply);
    },
  });

  function commitCame({ subject: on, data }: Msg, reply: string): void {
    const [sequence, order] = numbersOf(reply, name);
    // Lost on its way to us, so everything after it has to wait.
    if (order !== delivered + 1) return fail(`message ${delivered + 1} did not arrive`);
    delivered = order;
    wanted -= 1;
    queue.push({ sequence, subject: on, data });
    queuedBytes += data.length;
    // Also while whoever takes them is busy with others.
    pull();
    wake();
  }

  function statusCame(message: Msg): void {
    const { code, description } = message.headers ?? { code: 0, description: '' };
    if (code === 100) return;
    if (code === 404 || code === 408 || (code === 409 && /MaxBytes|Batch Completed/i.test(description))) {
      const left = Number(message.headers?.get('Nats-Pending-Messages') || wanted);
      wanted = Math.max(0, wanted - left);
      pull();
    } else fail(`${code} ${description}`);
  }

  function pull(): void {
    if (broken || wanted > limits.jetStreamPullMessages / 2 || queuedBytes > limits.jetStreamPullBytes) return;
    const ask = {
      batch: limits.jetStreamPullMessages,
      max_bytes: limits.jetStreamPullBytes,
      expires: limits.jetStreamPullMs * 1e6,
      idle_heartbeat: limits.jetStreamHeartbeatMs * 1e6,
    };
    if (wanted === 0) heardAt = clock.monotonicMs();
    wanted += ask.batch;
    connection.publish(`$JS.API.CONSUMER.MSG.NEXT.${stream}.${name}`, JSON.stringify(ask), { reply: inbox });
  }

  /** Whoever should speak and does not is taken for lost; so is what was on its way when the connection broke. */
  async function watch(): Promise<void> {
    while (!broken && !ended.signal.aborted) {
      await clock.sleep(limits.jetStreamHeartbeatMs, ended.signal);
      const silentMs = clock.monotonicMs() - heardAt;
      if (requests.losses !== losses) fail('the connection was lost');
      else if (wanted > 0 && silentMs > limits.jetStreamSilenceMs) fail(`silent for ${Math.round(silentMs)} ms`);
    }
  }
  void watch();
  const onAbort = () => wake();
  signal.addEventListener('abort', onAbort);
  pull();

  function takeQueued(): readonly StoredMessage[] {
    let count = 0;
    let bytes = 0;
    for (const { data } of queue) {
      if (count > 0 && bytes + data.length > limits.bytesPerBatchMax) break;
      bytes += data.length;
      count += 1;
      if (count === limits.commitsPerReadMax) break;
    }
    const batch = count === queue.length ? queue : queue.slice(0, count);
    queue = count === queue.length ? [] : queue.slice(count);
    queuedBytes -= bytes;
    return batch;
  }

  return {
    async take(): Promise<readonly StoredMessage[] | undefined> {
      while (queue.length === 0 && !broken && !signal.aborted) await new Promise<void>((resolve) => (wake = resolve));
      if (signal.aborted || queue.length === 0) return undefined;
      const batch = takeQueued();
      pull();
      return batch;
    },
    close(): void {
      ended.abort();
      signal.removeEventListener('abort', onAbort);
      if (connection.isClosed()) return;
      subscription.unsubscribe();
      // One that stays behind goes by itself.
      api.deleteConsumer(stream, name).catch(() => {});
    },
  };
}

/** Sequence in the stream and in the consumer, from `$JS.ACK[.domain.account].stream.consumer.deliveries.sequence.order.time.pending[.token]`. */
function numbersOf(reply: string, consumer: string): [sequence: number, order: number] {
  const deliveries = reply.indexOf(consumer) + consumer.length + 1;
  const sequence = reply.indexOf('.', deliveries) + 1;
  const order = reply.indexOf('.', sequence) + 1;
  return [Number(reply.slice(sequence, order - 1)), Number(reply.slice(order, reply.indexOf('.', order)))];
}

import { createInbox } from 'nats';
import type { Msg, NatsConnection } from 'nats';
import type { Clock } from '../clock.ts';
import { limits } from '../limits.ts';
import type { Logger } from '../logger.ts';
import type { NatsRequests } from '../nats/nats-requests.ts';
import type { Random } from '../random.ts';
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

/** A consumer of a server, with pulls under way. `take`: the next messages as they came, or undefined when there will be none. */
export async function openConsumer(ports: Deliveries, { from, subject, signal, patienceMs }: DeliveryOptions) {
  const { connection, requests, api, stream, clock, logger } = ports;
  const name = await createConsumer(ports, from, subject);
  const inbox = createInbox();
  const losses = requests.losses;
  const ended = new AbortController();
  /** What has come; the last batch still grows. */
  const batches: { readonly messages: StoredMessage[]; bytes: number }[] = [];
  let queuedBytes = 0;
  /** Messages that the server may still send for the pulls that are open. */
  let wanted = 0;
  let delivered = 0;
  /** Sequence of the message that comes next, of a consumer of everything. */
  let expected = from;
  let heardAt = clock.monotonicMs();
  /** When the last message came; or when it was found that there was none to come. */
  let cameAt = heardAt;
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
    cameAt = heardAt;
    let batch = batches.at(-1);
    const isFull = batch && (batch.messages.length === limits.commitsPerReadMax || batch.bytes + data.length > limits.bytesPerBatchMax);
    // Whoever takes a batch of everything looks at its first message alone.
    const isAfterGap = subject === undefined && sequence !== expected;
    expected = sequence + 1;
    wanted -= 1;
    if (batch === undefined || isFull || isAfterGap) batches.push((batch = { messages: [], bytes: 0 }));
    batch.messages.push({ sequence, subject: on, data });
    batch.bytes += data.length;
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
    let asking = false;
    while (!broken && !ended.signal.aborted) {
      await clock.sleep(limits.jetStreamHeartbeatMs / 2, ended.signal);
      const now = clock.monotonicMs();
      const [silentMs, emptyMs] = [now - heardAt, now - cameAt];
      if (requests.losses !== losses) fail('the connection was lost');
      else if (wanted > 0 && silentMs > limits.jetStreamSilenceMs) fail(`silent for ${Math.round(silentMs)} ms`);
      // A server that is behind lives and says so, for as long as it takes. Who reads one stream knows that there is more; a second try may find another server.
      else if (subject !== undefined && batches.length === 0 && emptyMs > patienceMs / 2)
        fail(`nothing came for ${Math.round(emptyMs)} ms`);
      else if (
        wanted > 0 &&
        (silentMs > limits.jetStreamDoubtMs || emptyMs > limits.jetStreamBehindMs) &&
        subject === undefined &&
        !asking
      ) {
        asking = true;
        // Not awaited: whoever is asked may be silent as well.
        void failIfBehind().then(() => (asking = false));
      }
    }
  }

  /** Of a consumer of everything: does the log have what should have come, also a moment later? */
  async function failIfBehind(): Promise<void> {
    const missing = expected;
    const found = await api.messageAnywhere(stream, missing).catch(() => undefined);
    if (found === undefined) {
      cameAt = clock.monotonicMs();
      return;
    }
    await clock.sleep(limits.jetStreamOneByOneMs, ended.signal);
    if (expected === missing) fail(`silent, though there is commit ${commitOf(missing)}`);
  }
  void watch();
  const onAbort = () => wake();
  signal.addEventListener('abort', onAbort);
  pull();

  return {
    async take(): Promise<readonly StoredMessage[] | undefined> {
      while (batches.length === 0 && !broken && !signal.aborted) await new Promise<void>((resolve) => (wake = resolve));
      const batch = signal.aborted ? undefined : batches.shift();
      if (batch === undefined) return undefined;
      queuedBytes -= batch.bytes;
      pull();
      return batch.messages;
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

/**
 * One consumer on one server, that of everything on the one which this node is connected to, where that comes about within some tries: chance decides where it
 * lives, and what another server sends goes through two.
 */
async function createConsumer({ connection, api, stream, random }: Deliveries, from: number, subject?: string): Promise<string> {
  const config = {
    deliver_policy: 'by_start_sequence',
    opt_start_seq: from,
    ack_policy: 'none',
    replay_policy: 'instant',
    ...(subject !== undefined && { filter_subject: subject }),
    mem_storage: true,
    num_replicas: 1,
    inactive_threshold: limits.jetStreamConsumerIdleMs * 1e6,
  };
  for (let tries = 1; ; tries++) {
    const name = `starling-${Buffer.from(random.bytes(9)).toString('base64url')}`;
    const { cluster } = await api.createConsumer(stream, name, config);
    const isNear = cluster?.leader === undefined || cluster.leader === connection.info?.server_name;
    if (isNear || subject !== undefined || tries === limits.jetStreamConsumerTries) return name;
    api.deleteConsumer(stream, name).catch(() => {});
  }
}

/** Sequence in the stream and in the consumer, from `$JS.ACK[.domain.account].stream.consumer.deliveries.sequence.order.time.pending[.token]`. */
function numbersOf(reply: string, consumer: string): [sequence: number, order: number] {
  const deliveries = reply.indexOf(consumer) + consumer.length + 1;
  const sequence = reply.indexOf('.', deliveries) + 1;
  const order = reply.indexOf('.', sequence) + 1;
  return [Number(reply.slice(sequence, order - 1)), Number(reply.slice(order, reply.indexOf('.', order)))];
}

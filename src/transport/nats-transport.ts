import { ErrorCode, Events, NatsError, headers } from 'nats';
import type { Msg, NatsConnection, Subscription } from 'nats';
import type { Clock } from '../clock.ts';
import { limits } from '../limits.ts';
import { LinkedList } from '../linked-list.ts';
import type { Logger } from '../logger.ts';
import type { Metrics } from '../metrics.ts';
import { openNatsConnection } from '../nats/nats-connection.ts';
import type { NatsOptions } from '../nats/nats-connection.ts';
import { NatsUnreachable } from '../nats/nats-unreachable.ts';
import { createUnderWay } from '../under-way.ts';
import type { UnderWay } from '../under-way.ts';
import { decodeMessage, encodeMessage } from './message-codec.ts';
import { assertPattern, assertSubject } from './subject-pattern.ts';
import { MessageTooLarge, NoResponders, RequestTimeout, TransportClosed, TransportUnreachable } from './transport.ts';
import type { Message, Stop, Transport } from './transport.ts';

export interface NatsTransportOptions extends NatsOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics?: Pick<Metrics, 'malformedMessages'>;
}

/**
 * Nodes that talk over NATS. Once connected it reconnects for ever; a request in the meantime waits for that within its time-out.
 * @throws {TransportUnreachable} when the first connection cannot be made.
 */
export async function connectNats(options: NatsTransportOptions): Promise<Transport> {
  const connection = await firstConnection(options);
  const { clock, logger } = options;
  /** Requests of ours that await a reply. */
  const pending = createUnderWay();
  const stops = new Set<Stop>();
  const closed = new AbortController();
  /** Aborts when closing begins or the connection is lost for good: nothing is worth waiting for. */
  const leaving = new AbortController();
  let up = true;
  let losses = 0;
  /** What ends the wait for an answer that will not come any more. */
  const waiting = new LinkedList<() => void>();
  /** Aborts when the connection is back. */
  let back = new AbortController();
  let malformedLoggedAt = -Infinity;
  let malformedSince = 0;
  let closing: Promise<void> | undefined;

  async function watch(): Promise<void> {
    for await (const status of connection.status()) {
      if (status.type === Events.Disconnect) {
        // The client also says so of each try to come back that fails late.
        if (!up) continue;
        up = false;
        losses += 1;
        back = new AbortController();
        for (const end of waiting.drain()) end();
        logger.warn({ server: status.data }, 'the connection to NATS is lost; trying again until it is back');
      } else if (status.type === Events.Reconnect) {
        up = true;
        back.abort();
        logger.info({ server: status.data }, 'connected to NATS again');
      } else if (status.type === Events.Error) {
        logger.error({ code: status.data, permission: status.permissionContext }, 'NATS reports an error');
      }
    }
  }
  void watch();
  void connection.closed().then((cause) => {
    up = false;
    closed.abort();
    leaving.abort();
    if (cause) logger.error({ err: cause }, 'the connection to NATS is closed for good');
  });

  function malformed(subject: string): void {
    options.metrics?.malformedMessages.inc();
    malformedSince += 1;
    if (clock.monotonicMs() - malformedLoggedAt < limits.malformedLogIntervalMs) return;
    malformedLoggedAt = clock.monotonicMs();
    logger.warn({ subject, count: malformedSince }, 'ignored messages that are not in our format: does somebody else use this subject?');
    malformedSince = 0;
  }

  /** The bytes of a message. @throws {MessageTooLarge} */
  function encoded(subject: string, message: Message): Uint8Array {
    const bytes = encodeMessage(message);
    const max = connection.info?.max_payload ?? Infinity;
    if (bytes.length > max) {
      throw new MessageTooLarge(`${message.type} on ${subject} has ${bytes.length} bytes; this NATS server takes ${max} (max_payload)`);
    }
    return bytes;
  }

  async function request(subject: string, message: Message, timeoutMs: number): Promise<Message> {
    assertSubject(subject);
    const bytes = encoded(subject, message);
    const began = clock.monotonicMs();
    if (!up) await clock.sleep(timeoutMs, AbortSignal.any([back.signal, leaving.signal]));
    if (leaving.signal.aborted) throw new TransportClosed('the transport is closed');
    const leftMs = Math.floor(timeoutMs - (clock.monotonicMs() - began));
    if (!up || leftMs < 1) throw new NoResponders(`no connection to NATS within ${timeoutMs} ms: not sent on ${subject}`);
    try {
      const reply = await unlessLost(subject, connection.request(subject, bytes, { timeout: leftMs }));
      const answer = decodeMessage(reply.data);
      if (answer !== undefined) return answer;
    } catch (cause) {
      throw ours(cause, subject, timeoutMs);
    }
    malformed(subject);
    throw new RequestTimeout(`the answer on ${subject} is not in our format`);
  }

  function unlessLost<T>(subject: string, asked: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const end = () => reject(new RequestTimeout(`the connection to NATS was lost before an answer on ${subject} came`));
      const link = waiting.add(end);
      asked.then(resolve, reject).finally(() => waiting.remove(link));
    });
  }

  function ours(cause: unknown, subject: string, timeoutMs: number): unknown {
    if (!(cause instanceof NatsError)) return cause;
    if (cause.code === ErrorCode.NoResponders) return new NoResponders(`nobody serves ${subject}`, { cause });
    if (connection.isClosed() || closing) return new TransportClosed('the transport was closed before an answer came', { cause });
    if (cause.code === ErrorCode.Timeout) return new RequestTimeout(`no answer on ${subject} within ${timeoutMs} ms`, { cause });
    return new RequestTimeout(`${subject}: ${cause.message}`, { cause });
  }

  async function serve(message: Message, raw: Msg, handler: (message: Message, subject: string) => Promise<Message>): Promise<void> {
    try {
      const reply = await handler(message, raw.subject);
      if (!connection.isClosed()) raw.respond(encoded(raw.subject, reply));
    } catch (cause) {
      logger.error({ subject: raw.subject, err: cause }, 'a handler of the transport failed');
    }
  }

  /** `handle` must not throw: it runs inside the parser of the connection. */
  async function receive(subject: string, queue: string | undefined, running: UnderWay, handle: (raw: Msg) => void): Promise<Stop> {
    assertPattern(subject);
    if (closing || connection.isClosed()) throw new TransportClosed('the transport is closed');
    let refused: NatsError | undefined;
    const subscription: Subscription = connection.subscribe(subject, {
      ...(queue !== undefined && { queue }),
      callback: (error, raw) => {
        if (error === null) return handle(raw);
        refused = error;
        logger.error({ subject, err: error }, 'NATS refuses a subscription');
      },
    });
    // The server must know of it before the caller tells others. Without a connection it learns of it when it is back.
    await bounded(connection.flush());
    if (refused)
      throw new TransportUnreachable(`NATS does not allow to subscribe to ${subject}: check the permissions of the user`, {
        cause: refused,
      });
    const stop: Stop = async () => {
      stops.delete(stop);
      if (!subscription.isClosed() && !connection.isClosed()) await bounded(subscription.drain());
      await running.ended();
    };
    stops.add(stop);
    return stop;
  }

  /** What cannot end while the connection is down must not hold up whoever waits; a failure means that it is down. */
  async function bounded(work: Promise<unknown>): Promise<void> {
    const done = new AbortController();
    const settled = work.catch(() => {}).then(() => done.abort());
    await Promise.race([settled, clock.sleep(limits.transportDrainMs, AbortSignal.any([done.signal, closed.signal]))]);
  }

  async function drain(): Promise<void> {
    leaving.abort();
    if (up) {
      await bounded(Promise.all([...stops].map((stop) => stop())));
      await bounded(pending.ended());
      await bounded(connection.flush());
    }
    await connection.close();
  }

  return {
    name: 'nats',
    request(subject, message, { timeoutMs }) {
      if (closing) return Promise.reject(new TransportClosed('the transport is closed'));
      return pending.add(request(subject, message, timeoutMs));
    },
    respond(subject, queue, handler) {
      const running = createUnderWay();
      return receive(subject, queue, running, (raw) => {
        const message = decodeMessage(raw.data);
        if (message === undefined) return malformed(raw.subject);
        if (running.count >= limits.requestsRunningMax) return void raw.respond(undefined, { headers: headers(503, 'No Responders') });
        void running.add(serve(message, raw, handler));
      });
    },
    publish(subject, message) {
      assertSubject(subject);
      // Delivery is at most once, and what waits for a connection would wait in memory.
      if (up && !closing) connection.publish(subject, encoded(subject, message));
    },
    subscribe: (subject, handler) =>
      receive(subject, undefined, createUnderWay(), (raw) => {
        const message = decodeMessage(raw.data);
        if (message === undefined) return malformed(raw.subject);
        try {
          handler(message, raw.subject);
        } catch (cause) {
          logger.error({ subject: raw.subject, err: cause }, 'a handler of the transport failed');
        }
      }),
    connected: () => up && !closing,
    losses: () => losses,
    close: () => (closing ??= drain()),
  };
}

async function firstConnection(options: NatsOptions): Promise<NatsConnection> {
  try {
    return await openNatsConnection(options);
  } catch (cause) {
    throw cause instanceof NatsUnreachable ? new TransportUnreachable(cause.message, { cause }) : cause;
  }
}

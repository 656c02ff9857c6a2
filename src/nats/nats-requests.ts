import { Events, createInbox } from 'nats';
import type { Msg, MsgHdrs, NatsConnection } from 'nats';
import type { Clock } from '../clock.ts';

/** No answer. `certain`: nobody received the request; otherwise somebody may have, before it was no longer allowed as well. */
export class NatsRequestFailed extends Error {
  override readonly name = 'NatsRequestFailed';
  readonly why: 'not-connected' | 'no-responders' | 'not-allowed' | 'refused-here' | 'no-answer';
  constructor(why: NatsRequestFailed['why'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.why = why;
  }
  get certain(): boolean {
    return this.why !== 'no-answer' && this.why !== 'not-allowed';
  }
}

export interface NatsRequests {
  /** The first answer, whatever it says. @throws {NatsRequestFailed} */
  request(subject: string, payload: Uint8Array, headers?: MsgHdrs): Promise<Msg>;
  /** For what may be asked twice: while there is no answer it is asked again, for a request to somebody who has just changed may be lost without a word. */
  ask(subject: string, payload: Uint8Array, headers?: MsgHdrs): Promise<Msg>;
  /** Counts the connections that were lost: what waits for messages of the server has to ask again when it changes. */
  readonly losses: number;
  readonly connected: boolean;
  /** What was sent until now and has no answer after this time gets none any more: whoever could have given it is gone. */
  giveUp(afterMs: number, why: string): Promise<void>;
  /** Whoever waits hears of it. */
  close(): void;
}

interface Waiting {
  readonly subject: string;
  readonly expiresAt: number;
  readonly answered: (answer: Msg) => void;
  readonly failed: (error: NatsRequestFailed) => void;
}

/**
 * Many requests under way on one connection. Unlike the client's own ones they share one timer, and they fail at once when the connection is lost:
 * an answer that was under way then will not come.
 */
export function createNatsRequests(
  connection: NatsConnection,
  options: { clock: Clock; timeoutMs: number; askAgainMs: number },
): NatsRequests {
  const { clock, timeoutMs } = options;
  const inbox = createInbox();
  /** In the order in which they expire, since all have the same time. */
  const waiting = new Map<string, Waiting>();
  let connected = true;
  let losses = 0;
  let sent = 0;
  let sweeping = false;
  const closing = new AbortController();

  const subscription = connection.subscribe(`${inbox}.*`, {
    callback(error, answer) {
      if (error) return failAll('not-allowed', `NATS does not allow to subscribe to ${inbox}.*: ${error.message}`);
      const token = answer.subject.slice(inbox.length + 1);
      const asker = waiting.get(token);
      if (asker === undefined) return;
      waiting.delete(token);
      if (answer.data.length === 0 && answer.headers?.code === 503)
        asker.failed(new NatsRequestFailed('no-responders', `nobody answers on ${asker.subject}`));
      else asker.answered(answer);
    },
  });

  function failAll(why: NatsRequestFailed['why'], message: string, which: (subject: string) => boolean = () => true): void {
    for (const [token, { subject, failed }] of waiting) {
      if (!which(subject)) continue;
      waiting.delete(token);
      failed(new NatsRequestFailed(why, message));
    }
  }

  function lost(): void {
    if (connected) losses += 1;
    connected = false;
    failAll('no-answer', 'the connection to NATS was lost before an answer came');
  }

  async function watch(): Promise<void> {
    for await (const status of connection.status()) {
      const denied = status.permissionContext;
      if (status.type === Events.Disconnect) lost();
      else if (status.type === Events.Reconnect) connected = true;
      else if (status.type === Events.Error && denied?.operation === 'publish')
        failAll('not-allowed', `NATS does not allow to publish to ${denied.subject}`, (subject) => subject === denied.subject);
    }
  }
  void watch();
  void connection.closed().then(lost);

  async function sweep(): Promise<void> {
    sweeping = true;
    while (waiting.size > 0 && !closing.signal.aborted) {
      await clock.sleep(timeoutMs / 8, closing.signal);
      const now = clock.monotonicMs();
      for (const [token, { subject, expiresAt, failed }] of waiting) {
        if (expiresAt > now) break;
        waiting.delete(token);
        failed(new NatsRequestFailed('no-answer', `no answer on ${subject} within ${timeoutMs} ms`));
      }
    }
    sweeping = false;
  }

  function request(subject: string, payload: Uint8Array, headers?: MsgHdrs): Promise<Msg> {
    return new Promise((answered, failed) => {
      // The client would keep it until it is connected again: by then nobody waits any more.
      if (!connected) return failed(new NatsRequestFailed('not-connected', 'there is no connection to NATS'));
      sent += 1;
      const token = sent.toString(36);
      try {
        connection.publish(subject, payload, { reply: `${inbox}.${token}`, ...(headers && { headers }) });
      } catch (cause) {
        return failed(new NatsRequestFailed('refused-here', `nothing was sent on ${subject}: ${(cause as Error).message}`, { cause }));
      }
      waiting.set(token, { subject, expiresAt: clock.monotonicMs() + timeoutMs, answered, failed });
      if (!sweeping) void sweep();
    });
  }

  async function ask(...what: Parameters<typeof request>): Promise<Msg> {
    const done = new AbortController();
    const tries: Promise<Msg>[] = [];
    for (;;) {
      const asked = request(...what).finally(() => done.abort());
      asked.catch(() => {});
      tries.push(asked);
      await clock.sleep(options.askAgainMs, done.signal);
      if (done.signal.aborted) return Promise.race(tries);
    }
  }

  return {
    request,
    ask,
    get losses() {
      return losses;
    },
    get connected() {
      return connected;
    },
    async giveUp(afterMs, why) {
      const before = new Set(waiting.keys());
      await clock.sleep(afterMs, closing.signal);
      for (const token of before) {
        const asker = waiting.get(token);
        waiting.delete(token);
        asker?.failed(new NatsRequestFailed('no-answer', `no answer on ${asker.subject}: ${why}`));
      }
    },
    close() {
      closing.abort();
      failAll('no-answer', 'the connection to NATS was closed before an answer came');
      if (!subscription.isClosed() && !connection.isClosed()) subscription.unsubscribe();
    },
  };
}

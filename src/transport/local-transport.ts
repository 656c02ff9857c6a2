import type { Clock } from '../clock.ts';
import { limits } from '../limits.ts';
import { LinkedList } from '../linked-list.ts';
import type { Logger } from '../logger.ts';
import { createUnderWay } from '../under-way.ts';
import type { UnderWay } from '../under-way.ts';
import { createDeadlines } from './deadlines.ts';
import { createDirectory } from './directory.ts';
import type { Directory } from './directory.ts';
import { assertPattern, assertSubject } from './subject-pattern.ts';
import { NoResponders, RequestTimeout, TransportClosed } from './transport.ts';
import type { Message, Stop, Transport } from './transport.ts';

interface Receiver<Handler> {
  readonly subject: string;
  /** Empty for subscribers: each of them gets everything. */
  readonly queue: string;
  readonly handler: Handler;
  readonly running: UnderWay;
  stopped: boolean;
}

type Responder = Receiver<(message: Message, subject: string) => Promise<Message>>;
type Subscriber = Receiver<(message: Message, subject: string) => void>;

/**
 * All nodes in one process. Messages travel as objects, not as bytes: whoever receives one must not change it.
 * Delivery is asynchronous, as over a network, so that a sender never runs inside a receiver.
 */
export function createLocalTransport(options: { clock: Clock; logger?: Logger }): Transport {
  const deadlines = createDeadlines(options.clock);
  const responders = createDirectory<Responder>();
  const subscribers = createDirectory<Subscriber>();
  const pending = new LinkedList<(reason: Error) => void>();
  /** Per queue and pattern, who is next. */
  const turns = new Map<string, number>();
  let closing: Promise<void> | undefined;

  /** One responder of each queue, in turn. */
  function chosen(subject: string): Responder[] {
    const found = responders.find(subject);
    if (found.length < 2) return found;
    return [...new Set(found.map((responder) => responder.queue))].map((queue) => {
      const group = found.filter((responder) => responder.queue === queue);
      const turn = (turns.get(queue) ?? 0) + 1;
      turns.set(queue, turn);
      return group[turn % group.length]!;
    });
  }

  function failed(subject: string, cause: unknown): void {
    options.logger?.error({ subject, err: cause }, 'a handler of the transport failed');
  }

  function request(subject: string, message: Message, { timeoutMs }: { timeoutMs: number }): Promise<Message> {
    assertSubject(subject);
    if (closing) return Promise.reject(new TransportClosed('the transport is closed'));
    const asked = chosen(subject);
    if (asked.length === 0) return Promise.reject(new NoResponders(`nobody serves ${subject}`));
    if (asked.some((responder) => responder.running.count >= limits.requestsRunningMax)) {
      return Promise.reject(new NoResponders(`whoever serves ${subject} is busy with ${limits.requestsRunningMax} requests`));
    }
    return new Promise((resolve, reject) => {
      const settle = () => {
        cancel();
        pending.remove(link);
      };
      const fail = (reason: Error) => {
        settle();
        reject(reason);
      };
      const answer = (reply: Message) => {
        settle();
        resolve(reply);
      };
      const cancel = deadlines.add(timeoutMs, () => fail(new RequestTimeout(`no answer on ${subject} within ${timeoutMs} ms`)));
      const link = pending.add(fail);
      for (const responder of asked) {
        run(responder, async () => {
          // Stopped between sending and delivery: as over a network, the request is lost and its sender times out.
          if (!responder.stopped) answer(await responder.handler(message, subject));
        });
      }
    });
  }

  function run(receiver: Responder | Subscriber, work: () => Promise<void>): void {
    const turn = Promise.resolve().then(work);
    void receiver.running.add(turn.catch((cause: unknown) => failed(receiver.subject, cause)));
  }

  function receive<R extends Responder | Subscriber>(directory: Directory<R>, receiver: R): Promise<Stop> {
    assertPattern(receiver.subject);
    if (closing) return Promise.reject(new TransportClosed('the transport is closed'));
    directory.add(receiver);
    return Promise.resolve(async () => {
      receiver.stopped = true;
      directory.remove(receiver);
      await receiver.running.ended();
    });
  }

  async function drain(): Promise<void> {
    const running = [...responders.all(), ...subscribers.all()].map((receiver) => receiver.running);
    const waited = new AbortController();
    await Promise.race([Promise.all(running.map((each) => each.ended())), options.clock.sleep(limits.transportDrainMs, waited.signal)]);
    waited.abort();
    for (const receiver of [...responders.all(), ...subscribers.all()]) receiver.stopped = true;
    responders.clear();
    subscribers.clear();
    for (const fail of pending.drain()) fail(new TransportClosed('the transport was closed before an answer came'));
    deadlines.close();
  }

  return {
    name: 'local',
    request,
    respond: (subject, queue, handler) => receive(responders, { subject, queue, handler, running: createUnderWay(), stopped: false }),
    publish(subject, message) {
      assertSubject(subject);
      if (closing) return;
      for (const subscriber of subscribers.find(subject)) {
        run(subscriber, async () => {
          if (!subscriber.stopped) subscriber.handler(message, subject);
        });
      }
    },
    subscribe: (subject, handler) => receive(subscribers, { subject, queue: '', handler, running: createUnderWay(), stopped: false }),
    connected: () => closing === undefined,
    losses: () => 0,
    close: () => (closing ??= drain()),
  };
}

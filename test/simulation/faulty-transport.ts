import type { Clock } from '../../src/clock.ts';
import type { Random } from '../../src/random.ts';
import { NoResponders, RequestTimeout, TransportClosed } from '../../src/transport/transport.ts';
import type { Message, Transport } from '../../src/transport/transport.ts';
import type { Faults } from './faulty-log.ts';

interface Responder {
  readonly node: string;
  readonly handler: (message: Message, subject: string) => Promise<Message>;
}

/** A network between nodes that delays, loses and delivers after the time-out, requests and replies alike. Only requests are simulated. */
export function createFaultyNetwork(ports: { clock: Clock; random: Random; faults: Faults }) {
  const { clock, random, faults } = ports;
  let responders: Responder[] = [];
  let only: string | undefined;

  const happens = (chance: number) => faults.on && random.float() < chance;
  /** Mostly quick; now and then later than any time-out. */
  const travel = () => clock.sleep(happens(0.03) ? random.float() * 12_000 : faults.on ? random.float() * 20 : 1);

  function request(subject: string, message: Message, { timeoutMs }: { timeoutMs: number }): Promise<Message> {
    return new Promise((resolve, reject) => {
      const expire = (error: Error, ms: number) => void clock.sleep(ms).then(() => reject(error));
      expire(new RequestTimeout('simulated'), timeoutMs);
      if (happens(0.02)) expire(new TransportClosed('simulated'), random.float() * 50);
      void deliver(subject, message).then(
        (reply) => reply && resolve(reply),
        (error: unknown) => reject(error as Error),
      );
    });
  }

  /** Undefined: lost. */
  async function deliver(subject: string, message: Message): Promise<Message | undefined> {
    await travel();
    if (happens(0.04)) return undefined;
    const reachable = only === undefined ? responders : responders.filter(({ node }) => node === only);
    const responder = reachable[Math.floor(random.float() * reachable.length)];
    if (responder === undefined) throw new NoResponders('simulated');
    // As over a wire: nobody shares an object with the sender.
    const reply = await responder.handler(structuredClone(message), subject);
    // The node crashed before its reply left, or the reply is lost.
    if (!responders.includes(responder) || happens(0.04)) return undefined;
    await travel();
    return structuredClone(reply);
  }

  const transportOf = (node: string): Transport => ({
    name: 'simulated',
    request,
    async respond(_subject, _queue, handler) {
      const responder = { node, handler };
      responders.push(responder);
      return async () => {
        responders = responders.filter((each) => each !== responder);
      };
    },
    publish() {},
    subscribe: async () => async () => {},
    connected: () => true,
    losses: () => 0,
    close: async () => {},
  });

  return {
    transportOf,
    /** From now on all requests go to this node. */
    sendOnlyTo(node: string) {
      only = node;
    },
    cutOff(node: string) {
      responders = responders.filter((each) => each.node !== node);
    },
  };
}

import { readCommandMessage } from '../../src/actors/envelope.ts';
import type { Clock } from '../../src/clock.ts';
import type { CommandId } from '../../src/events/ids.ts';
import type { Random } from '../../src/random.ts';
import { NoResponders, RequestTimeout, TransportClosed } from '../../src/transport/transport.ts';
import { matches } from '../../src/transport/subject-pattern.ts';
import type { Message, Transport } from '../../src/transport/transport.ts';
import type { Faults } from './faulty-log.ts';
import type { Machine } from './machine.ts';

interface Receiver {
  readonly machine: Machine;
  readonly subject: string;
  readonly handler: (message: Message, subject: string) => unknown;
  readonly running: Set<Promise<void>>;
}

/** How likely it is that a message is late, by seconds; other for each seed, since a bit of everything hides what much of one thing shows. */
export interface Temper {
  readonly lateCommands: number;
  readonly lateHeartbeats: number;
}

/** What is broken on purpose: commands with a deadline by the clock of the sender. */
export type DeadlineMutant = 'deadlines-of-the-sender';

/**
 * A server in the middle, and a line from each machine to it: messages are slow, late, lost and doubled, and overtake each other; a line can be cut in one
 * direction or both, and the server can split in two; what was sent meanwhile is lost, or comes when all is whole again.
 */
export function createClusterNetwork(ports: { clock: Clock; random: Random; faults: Faults; temper: Temper; mutant?: DeadlineMutant }) {
  const { clock, random, faults, temper } = ports;
  const responders = new Set<Receiver>();
  const subscribers = new Set<Receiver>();
  /** Per machine and direction, what is done when the line is whole again. */
  const cuts = { out: new Map<Machine, (() => void)[]>(), in: new Map<Machine, (() => void)[]>() };
  /** Commands of which some try arrived twice, which the port of the transport promises not to happen. */
  const doubled = new Set<CommandId>();
  /** The machines on one side of a split between the servers, and what is done when it ends. */
  let split: { readonly side: ReadonlySet<Machine>; readonly held: (() => void)[] } | undefined;

  const happens = (chance: number) => faults.on && random.float() < chance;
  const travelMs = (late: number) => (happens(late) ? random.float() * 12_000 : faults.on ? random.float() * 20 : 1);

  /** One way through the server: undefined on the way out or in when it is lost. */
  function pass(line: Map<Machine, (() => void)[]>, machine: Machine, go: () => void): void {
    const held = line.get(machine);
    if (held === undefined) go();
    else if (random.float() < 0.5) held.push(go);
  }

  function carry(from: Machine, to: Machine, late: number, arrive: () => void, onDoubled = () => {}): void {
    pass(cuts.out, from, () => {
      if (happens(0.02)) return;
      const copies = happens(0.02) ? 2 : 1;
      if (copies > 1) onDoubled();
      for (let copy = 0; copy < copies; copy++) void clock.sleep(travelMs(late)).then(() => cross(from, to, arrive));
    });
  }

  function cross(from: Machine, to: Machine, arrive: () => void): void {
    const go = () => pass(cuts.in, to, () => to.arrive(arrive));
    if (split === undefined || !areApart(from, to)) go();
    else if (random.float() < 0.5) split.held.push(go);
  }

  const areApart = (one: Machine, other: Machine) => split !== undefined && split.side.has(one) !== split.side.has(other);

  function bent(message: Message, from: Machine, timeoutMs: number): Message {
    const copy = structuredClone(message);
    if (ports.mutant === undefined || copy.type !== 'Command') return copy;
    const wallMs = from.clock.now() + timeoutMs;
    return { ...copy, body: { ...(copy.body as object), deadline: { monotonicMs: Number.MAX_SAFE_INTEGER, wallMs } } };
  }

  function request(from: Machine, subject: string, message: Message, timeoutMs: number): Promise<Message> {
    return new Promise((resolve, reject) => {
      void from.clock.sleep(timeoutMs).then(() => reject(new RequestTimeout('simulated')));
      if (happens(0.01)) void from.clock.sleep(random.float() * 50).then(() => reject(new TransportClosed('simulated')));
      const sent = bent(message, from, timeoutMs);
      pass(cuts.out, from, () => {
        const found = [...responders].find((each) => matches(each.subject, subject));
        if (found === undefined || (areApart(from, found.machine) && random.float() < 0.5))
          return carry(from, from, 0, () => reject(new NoResponders('simulated')));
        const serve = () => {
          if (!responders.has(found)) return;
          const turn = Promise.resolve(found.handler(structuredClone(sent), subject)).then((reply) => {
            found.running.delete(turn);
            if (!found.machine.crashed) carry(found.machine, from, temper.lateCommands, () => resolve(structuredClone(reply as Message)));
          });
          found.running.add(turn);
        };
        carry(from, found.machine, temper.lateCommands, serve, () => {
          for (const id of commandsOf(sent)) doubled.add(id);
        });
      });
    });
  }

  function receive(set: Set<Receiver>, receiver: Receiver) {
    set.add(receiver);
    return Promise.resolve(async () => {
      set.delete(receiver);
      await Promise.all(receiver.running);
    });
  }

  const transportOf = (machine: Machine): Transport => ({
    name: 'simulated',
    request: (subject, message, { timeoutMs }) => request(machine, subject, message, timeoutMs),
    respond: (subject, _queue, handler) => receive(responders, { machine, subject, handler, running: new Set() }),
    publish(subject, message) {
      const sent = structuredClone(message);
      for (const each of subscribers) {
        if (each.subject !== subject) continue;
        carry(machine, each.machine, temper.lateHeartbeats, () => subscribers.has(each) && each.handler(sent, subject));
      }
    },
    subscribe: (subject, handler) => receive(subscribers, { machine, subject, handler, running: new Set() }),
    connected: () => true,
    losses: () => 0,
    close: async () => {},
  });

  function heal(line: Map<Machine, (() => void)[]>, machine: Machine): void {
    const held = line.get(machine) ?? [];
    line.delete(machine);
    for (const go of held) go();
  }

  return {
    transportOf,
    doubled,
    cut(machine: Machine, directions: readonly ('in' | 'out')[]) {
      for (const direction of directions) cuts[direction].set(machine, []);
    },
    heal(machine: Machine) {
      heal(cuts.out, machine);
      heal(cuts.in, machine);
    },
    /** The server is two, which lose sight of each other: what is connected to one does not reach what is connected to the other. */
    splitOff(machines: readonly Machine[]) {
      split = { side: new Set(machines), held: split?.held ?? [] };
    },
    unite() {
      const held = split?.held ?? [];
      split = undefined;
      for (const go of held) go();
    },
    /** The server notices that the machine is gone, as after a kill; after a power cut it does not. */
    forget(machine: Machine) {
      for (const set of [responders, subscribers]) for (const each of set) if (each.machine === machine) set.delete(each);
    },
  };
}

function commandsOf(message: Message): readonly CommandId[] {
  const envelopes = readCommandMessage(message);
  if (typeof envelopes === 'string') throw new Error(`a command that cannot be read: ${envelopes}`);
  return envelopes.map(({ commandId }) => commandId);
}

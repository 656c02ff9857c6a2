import { commandFormats, newestFormat } from '../../src/actors/envelope.ts';
import { createCommandClient } from '../../src/actors/transport-command-client.ts';
import type { CommandClient } from '../../src/actors/command-client.ts';
import { beginRun, endRun } from '../../src/actors/runs.ts';
import { startActorHost } from '../../src/actors/runtime/host.ts';
import type { ActorHost } from '../../src/actors/runtime/host.ts';
import type { Membership } from '../../src/actors/runtime/members.ts';
import { startMembership } from '../../src/actors/runtime/membership.ts';
import { createMemorySnapshots } from '../../src/actors/runtime/snapshots.ts';
import type { Clock } from '../../src/clock.ts';
import type { EventLog } from '../../src/events/event-log.ts';
import { eventGenerations, newestGeneration } from '../../src/events/generations.ts';
import { silentLogger } from '../../src/logger.ts';
import { createMetrics } from '../../src/metrics.ts';
import type { Metrics } from '../../src/metrics.ts';
import type { Random } from '../../src/random.ts';
import type { Transport } from '../../src/transport/transport.ts';
import { createFaultyLog } from './faulty-log.ts';
import type { Faults, LogMutant } from './faulty-log.ts';
import { createMachine } from './machine.ts';
import type { Machine } from './machine.ts';

export interface SimulatedNode {
  readonly id: string;
  readonly machine: Machine;
  readonly membership: Membership;
}

/** Metrics are not looked at, and making them for each node of each seed would take most of the time. */
const metrics: Metrics = createMetrics();

/** Starts whole nodes, of the parts that `node.ts` starts, each on a machine of its own. */
export function createNodes(ports: {
  world: Clock;
  random: Random;
  faults: Faults;
  truth: EventLog;
  transportOf: (machine: Machine) => Transport;
  mutant?: LogMutant | undefined;
}) {
  const { world, random, faults, truth, mutant } = ports;
  const snapshots = createMemorySnapshots();
  let count = 0;

  async function begin(role: string, load: () => ActorHost | undefined) {
    const machine = createMachine(world, random);
    const id = `${role}-${++count}`;
    const shared = { transport: ports.transportOf(machine), space: 's', clock: machine.clock, random, logger: silentLogger, metrics };
    const membership = await startMembership({
      ...shared,
      node: { id, roles: [role], startedAt: machine.clock.now() },
      understands: { events: newestGeneration(eventGenerations), messages: newestFormat(commandFormats) },
      describe: () => load() ?? { activeActors: 0, commandsAnswered: 0 },
    });
    return { machine, id, shared, membership };
  }

  /** The log as the machine sees it: what comes back waits while it stands still. */
  function logOf(machine: Machine) {
    const way = createFaultyLog({ inner: truth, clock: world, random, faults, ...(mutant && { mutant }) });
    const { log } = way;
    async function* read(...what: Parameters<EventLog['read']>) {
      const batches = log.read(...what)[Symbol.asyncIterator]();
      for (;;) {
        const next = await machine.sees(batches.next());
        if (next.done) return;
        yield next.value;
      }
    }
    const seen: EventLog = {
      ...log,
      append: (...what) => machine.sees(log.append(...what)),
      head: (...what) => machine.sees(log.head(...what)),
      commitAt: (position) => machine.sees(log.commitAt(position)),
      tail: () => machine.sees(log.tail()),
      read,
    };
    return { log: seen, crash: way.crash };
  }

  return {
    async startActors(): Promise<SimulatedNode & { readonly crash: () => void; readonly leave: () => Promise<void> }> {
      let host: ActorHost | undefined;
      const { machine, id, shared, membership } = await begin('actors', () => host);
      const { log, crash } = logOf(machine);
      await membership.settled();
      const run = await beginRun({ ...shared, log, membership, label: id }).catch(() => undefined);
      host = await startActorHost({
        ...shared,
        log,
        membership,
        snapshots,
        limits: { snapshotEveryEvents: 4, recoveriesMax: 1, mailboxSizeMax: 3, leaveMs: 1_000 },
      });
      const { stop } = host;
      return {
        id,
        machine,
        membership,
        crash() {
          machine.crash();
          crash();
        },
        async leave() {
          await stop();
          if (run) await endRun({ ...shared, log, membership, run: run.id }).catch(() => {});
          await membership.stop();
          machine.crash();
          crash();
        },
      };
    },
    async startGateway(): Promise<SimulatedNode & { readonly commands: CommandClient }> {
      const { machine, id, shared, membership } = await begin('gateway', () => undefined);
      return { id, machine, membership, commands: createCommandClient({ ...shared, membership }) };
    },
  };
}

import { startActorNode } from '../actor-node.ts';
import type { ActorNode } from '../actor-node.ts';
import { startChild } from '../calls.ts';
import type { Child } from '../calls.ts';
import type { ClusterClientCalls } from '../cluster-client.ts';
import { interleave, ratioResult } from '../harness.ts';
import type { Result } from '../harness.ts';
import type { Stand } from '../stand.ts';
import { eventually } from '../../support/wait-for.ts';

interface System {
  readonly client: Child<ClusterClientCalls>;
  readonly nodes: ActorNode[];
}

/**
 * What a command costs the actor nodes, all of them together, where there are two instead of one. Two systems stand side by side on the same servers, and
 * take turns: the machine is not the same from one minute to the next.
 */
export async function measureClusterCpu(stand: Stand, servers: readonly string[], env: Readonly<Record<string, string>>): Promise<Result> {
  const { users, commands, inFlight, rounds } = stand.sizes.cluster;
  const systems: System[] = [];
  const start = async (count: number): Promise<System> => {
    const space = `cpu-${count}`;
    const system: System = { client: startChild(new URL('../cluster-client.ts', import.meta.url)), nodes: [] };
    systems.push(system);
    const starting = Array.from({ length: count }, async () => system.nodes.push(await startActorNode({ ...env, STARLING_SPACE: space })));
    await Promise.all(starting);
    await system.client.call('connect', { servers, space, replicas: Number(env['STARLING_LOG_REPLICAS']) });
    await nodesSeen(system.client, count);
    await system.client.call('register', { count: users });
    // As many for each node, until their code is equally warm.
    for (let round = 0; round < 3 * count; round++) await send(system);
    return system;
  };
  const send = ({ client }: System) => client.call('commands', { count: commands, limit: inFlight });
  const cpuOf = async (system: System): Promise<number> => {
    const spent = () => Promise.all(system.nodes.map((node) => node.cpuSeconds()));
    const before = await spent();
    await send(system);
    const after = await spent();
    return (after.reduce((sum, seconds, index) => sum + seconds - before[index]!, 0) * 1e6) / commands;
  };
  try {
    stand.progress('cluster: CPU of one and of two actor nodes');
    const [one, two] = await Promise.all([start(1), start(2)]);
    return ratioResult(
      {
        scenario: 'cluster',
        title: 'CPU of a command with 2 actor nodes over 1',
        target: { kind: 'at most', value: 1.15 },
        unit: 'µs',
        floorIs: 'the same with 1 actor node',
      },
      await interleave(
        2 * rounds,
        () => cpuOf(one),
        () => cpuOf(two),
      ),
    );
  } finally {
    for (const { client, nodes } of systems) {
      await client.stop();
      for (const node of nodes) await node.stop();
    }
  }
}

/** Resolves when the client knows of as many. */
export async function nodesSeen(client: Child<ClusterClientCalls>, nodes: number): Promise<void> {
  await eventually(async () => (await client.call('actorNodes', undefined)) === nodes, `${nodes} actor nodes serve`);
}

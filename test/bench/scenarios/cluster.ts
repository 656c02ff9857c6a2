import { startChild } from '../calls.ts';
import type { Child } from '../calls.ts';
import { startActorNode } from '../actor-node.ts';
import type { ActorNode } from '../actor-node.ts';
import type { ClusterClientCalls } from '../cluster-client.ts';
import type { EchoCalls } from '../echo-process.ts';
import { interleave, ratioResult, spreadOf } from '../harness.ts';
import type { Result } from '../harness.ts';
import type { Stand } from '../stand.ts';
import { startNatsCluster } from '../../support/nats-cluster.ts';
import type { NatsCluster } from '../../support/nats-cluster.ts';
import { measureClusterCpu, nodesSeen } from './cluster-cpu.ts';
import { measureClusterReplay } from './cluster-replay.ts';

const space = 'bench';
const replicas = 3;
/** Of whoever has to be brought up again when a node joins: as many as in the real data, in the mean. */
const commitsPerUser = 9;

/** Three NATS servers on this machine, and a log of three replicas. */
export async function measureCluster(stand: Stand): Promise<readonly Result[]> {
  stand.progress('cluster: three NATS servers');
  const servers = await startNatsCluster();
  const settings = { NATS_URL: servers.urls.join(','), STARLING_LOG: 'jetstream', STARLING_LOG_REPLICAS: String(replicas) };
  try {
    const commands = await measureCommands(stand, servers, { ...settings, STARLING_SPACE: space });
    const cpu = await measureClusterCpu(stand, servers.urls, settings);
    return [...commands, cpu, await measureClusterReplay(stand, { ...settings, STARLING_SPACE: 'replay' })];
  } finally {
    await servers.remove();
  }
}

/** Commands over NATS to actor nodes, against the bare operations of NATS on the same servers, by the same library from the same process. */
async function measureCommands(stand: Stand, servers: NatsCluster, env: Readonly<Record<string, string>>): Promise<readonly Result[]> {
  const { users, commands, inFlight, roundTrips, rounds, steadyPerSecond, steadyMs } = stand.sizes.cluster;
  const nodes: ActorNode[] = [];
  const client: Child<ClusterClientCalls> = startChild(new URL('../cluster-client.ts', import.meta.url));
  const echo: Child<EchoCalls> = startChild(new URL('../echo-process.ts', import.meta.url));
  const join = async (): Promise<ActorNode> => {
    const node = await startActorNode(env);
    nodes.push(node);
    return node;
  };
  const send = () => client.call('commands', { count: commands, limit: inFlight });
  try {
    stand.progress('cluster: one actor node');
    await join();
    await client.call('connect', { servers: servers.urls, space, replicas });
    await echo.call('serve', { servers: servers.urls, subject: 'bench.echo' });
    await client.call('register', { count: users });
    await client.call('commands', { count: users * (commitsPerUser - 1), limit: inFlight });

    stand.progress('cluster: a node joins under load');
    const underLoad = client.call('steady', { perSecond: steadyPerSecond, forMs: steadyMs });
    const passing = await join();
    const steady = await underLoad;
    const failed = Object.entries(steady.outcomes).filter(([outcome]) => outcome !== 'accepted');
    await nodesSeen(client, 2);
    await passing.stop();
    await nodesSeen(client, 1);
    await client.call('commands', { count: users * 2, limit: inFlight });
    await client.call('publishes', { count: users * 2, limit: inFlight, subjects: users });

    stand.progress('cluster: commands and publishes in turn');
    const throughput = await interleave(
      rounds,
      () => client.call('publishes', { count: commands, limit: inFlight, subjects: users }),
      send,
    );
    stand.progress('cluster: round trips in turn');
    const trips = await interleave(
      rounds,
      () => client.call('bareRoundTrip', { count: roundTrips, subject: 'bench.echo' }),
      () => client.call('roundTrip', { count: roundTrips }),
    );
    stand.progress('cluster: reading the log');
    const reads = await interleave(
      rounds,
      () => client.call('bareRead', { stream: `STARLING_${space}` }),
      () => client.call('logRead', undefined),
    );

    const notes = failed.map(([outcome, count]) => `${count} commands were ${outcome}`);
    return [
      ratioResult(
        {
          scenario: 'cluster',
          title: `commands over NATS, JetStream log, ${inFlight} in flight, 1 actor node`,
          target: { kind: 'at least', value: 0.4 },
          unit: 'commands/s',
          floorIs: 'asynchronous JetStream publishes with expected sequence from one bare client, as many in flight',
        },
        throughput,
      ),
      ratioResult(
        {
          scenario: 'cluster',
          title: 'reading the log from JetStream, decoded and checked',
          target: { kind: 'at least', value: 0.4 },
          unit: 'commits/s',
          floorIs: 'a bare consumer that reads the same stream',
        },
        reads,
      ),
      ratioResult(
        {
          scenario: 'cluster',
          title: 'round trip of one command at low load',
          target: { kind: 'at most', value: 1.5 },
          unit: 'ms',
          floorIs: 'a bare NATS request and a bare synchronous publish, one after the other',
        },
        trips,
      ),
      {
        scenario: 'cluster',
        title: `commands that failed while a node joined, of ${Math.round((steadyPerSecond * steadyMs) / 1_000)}`,
        measured: spreadOf([failed.reduce((sum, [, count]) => sum + count, 0)]),
        unit: 'commands',
        target: { kind: 'at most', value: 0 },
        notes,
      },
      {
        scenario: 'cluster',
        title: 'p99 of commands while a node joined',
        measured: spreadOf([steady.latencyMs.p99]),
        unit: 'ms',
        target: { kind: 'at most', value: 500 },
        latencyMs: steady.latencyMs,
        notes: [],
      },
    ];
  } finally {
    await Promise.all([client.stop(), echo.stop()]);
    for (const node of nodes) await node.stop();
  }
}

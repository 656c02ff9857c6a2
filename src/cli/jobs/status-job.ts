import type { Member } from '../../actors/runtime/members.ts';
import { formatPosition } from '../../events/position.ts';
import { limits } from '../../limits.ts';
import type { Node } from '../../node.ts';
import { readProjectionStatuses } from '../../projections/statuses.ts';
import type { ProjectionStatus } from '../../projections/statuses.ts';
import { readinessOf } from '../../readiness.ts';
import type { JobContext } from '../control-server.ts';

export interface StatusReport {
  /** Nothing has stopped and nothing is far behind. */
  readonly healthy: boolean;
  readonly node: {
    readonly id: string;
    readonly pid: number;
    readonly roles: readonly string[];
    readonly startedAt: string;
    readonly uptimeSeconds: number;
  };
  readonly gateway: { readonly url: string; readonly subscribers: number } | null;
  readonly transport: { readonly name: string; readonly connected: boolean };
  readonly log: { readonly id: string; readonly commits: number; readonly position: string | null };
  readonly actors: { readonly active: number; readonly waiting: number; readonly commandsPerSecond: number };
  /** All nodes that are held alive, this one first. */
  readonly nodes: readonly NodeStatus[];
  readonly projections: readonly ReadModelStatus[];
}

export interface NodeStatus {
  readonly id: string;
  readonly roles: readonly string[];
  readonly phase: string;
  readonly startedAt: string;
  readonly lastSeenAt: string;
  readonly shards: number;
  readonly activeActors: number;
  readonly commandsPerSecond: number;
}

export interface ReadModelStatus {
  readonly name: string;
  readonly position: string | null;
  readonly lagEvents: number;
  readonly eventsPerSecond: number;
  readonly rebuilding: boolean;
  readonly stoppedBy: string | null;
  /** Id of the node that applies it; null when none does. */
  readonly heldBy: string | null;
}

export async function statusJob(node: Node, context: JobContext): Promise<StatusReport> {
  const { clock, metrics } = node;
  const [before, begun] = [await sum(metrics.commands), clock.monotonicMs()];
  await clock.sleep(limits.statusSampleMs, context.signal);
  const commandsPerSecond = ((await sum(metrics.commands)) - before) / ((clock.monotonicMs() - begun) / 1000);
  const tail = await node.log.tail();
  const projections = node.readSide ? await readProjectionStatuses(node.readSide.database, node.log) : [];
  return {
    healthy: (await readinessOf(node)).ready,
    node: {
      id: node.id,
      pid: process.pid,
      roles: node.roles,
      startedAt: new Date(node.startedAt).toISOString(),
      uptimeSeconds: (clock.now() - node.startedAt) / 1000,
    },
    gateway: node.url === undefined ? null : { url: node.url, subscribers: await sum(metrics.subscribers) },
    transport: { name: node.transport.name, connected: node.transport.connected() },
    log: { id: node.log.id, commits: tail?.position.commit ?? 0, position: tail === undefined ? null : formatPosition(tail.position) },
    actors: { active: node.actors?.activeActors ?? 0, waiting: await sum(metrics.mailboxDepth), commandsPerSecond },
    nodes: node.membership.members().map(nodeStatusOf),
    projections: projections.map(projectionStatusOf),
  };
}

export function nodeStatusOf({ id, roles, phase, startedAt, lastSeenAt, shards, activeActors, commandsPerSecond }: Member): NodeStatus {
  return {
    id,
    roles,
    phase,
    startedAt: new Date(startedAt).toISOString(),
    lastSeenAt: new Date(lastSeenAt).toISOString(),
    shards: shards.length,
    activeActors,
    commandsPerSecond,
  };
}

export function projectionStatusOf(status: ProjectionStatus): ReadModelStatus {
  return { ...status, position: status.position && formatPosition(status.position) };
}

async function sum(metric: { get(): Promise<{ values: readonly { value: number }[] }> }): Promise<number> {
  return (await metric.get()).values.reduce((total, { value }) => total + value, 0);
}

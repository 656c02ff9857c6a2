import { listenToMembers } from '../actors/runtime/onlooker.ts';
import type { Clock } from '../clock.ts';
import type { Config } from '../config.ts';
import { formatPosition } from '../events/position.ts';
import { limits } from '../limits.ts';
import type { Logger } from '../logger.ts';
import { openDatabase } from '../projections/postgres-database.ts';
import { readProjectionStatuses } from '../projections/statuses.ts';
import { systemRandom } from '../random.ts';
import { createShutdownStack } from '../shutdown-stack.ts';
import { connectNats } from '../transport/nats-transport.ts';
import { shardCount } from '../transport/subjects.ts';
import { configuredLog, openLogToRead } from './copy/log-address.ts';
import { nodeStatusOf, projectionStatusOf } from './jobs/status-job.ts';
import type { NodeStatus, ReadModelStatus, StatusReport } from './jobs/status-job.ts';

/** A cluster as who is no node of it sees it. */
export interface ClusterReport {
  /** Every shard has an owner, and what is known of the read models is well. */
  readonly healthy: boolean;
  readonly log: StatusReport['log'];
  readonly nodes: readonly NodeStatus[];
  /** Null where nobody said where their database is. */
  readonly projections: readonly ReadModelStatus[] | null;
}

/** Listens, and reads: nothing is changed. @throws {TransportUnreachable} @throws {LogUnavailable} @throws {DatabaseUnavailable} with the cure. */
export async function readClusterStatus(
  config: Config & { readonly natsUrl: readonly string[] },
  ports: { readonly clock: Clock; readonly logger: Logger },
  signal: AbortSignal,
): Promise<ClusterReport> {
  const { natsUrl: servers, natsFiles: files, databaseUrl, space = 'starling' } = config;
  const stack = createShutdownStack(ports.logger);
  const all = { ...ports, random: systemRandom };
  try {
    const transport = await connectNats({ ...all, servers, files, name: 'starling status' });
    stack.push('transport', () => transport.close());
    const { log } = await openLogToRead(configuredLog(config), all);
    stack.push('event log', () => log.close());
    const database =
      databaseUrl === undefined ? undefined : await openDatabase({ url: databaseUrl }, { ...ports, applicationName: 'starling status' });
    if (database) stack.push('database', () => database.close());
    const [members, tail, statuses] = await Promise.all([
      listenToMembers({ ...ports, transport, space }, signal),
      log.tail(),
      database ? readProjectionStatuses(database, log) : null,
    ]);
    signal.throwIfAborted();
    const nodes = members.map(nodeStatusOf);
    const projections = statuses?.map(projectionStatusOf) ?? null;
    const served = nodes.reduce((sum, { shards }) => sum + shards, 0) === shardCount;
    return {
      healthy: served && (projections ?? []).every(isWell),
      log: { id: log.id, commits: tail?.position.commit ?? 0, position: tail === undefined ? null : formatPosition(tail.position) },
      nodes,
      projections,
    };
  } finally {
    await stack.stop();
  }
}

function isWell({ heldBy, stoppedBy, lagEvents }: ReadModelStatus): boolean {
  return heldBy !== null && stoppedBy === null && lagEvents <= limits.readyLagCommitsMax;
}

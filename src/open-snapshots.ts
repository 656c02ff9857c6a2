import type { SnapshotStore } from './actors/runtime/snapshots.ts';
import type { Config } from './config.ts';
import type { DataDirectory } from './data-directory.ts';
import type { Logger } from './logger.ts';
import type { Random } from './random.ts';
import type { ShutdownStack } from './shutdown-stack.ts';

/** Where the nodes that may take over an actor reach its snapshot: the data directory of the only one, or JetStream. */
export async function openSnapshots(
  config: Config,
  directory: DataDirectory,
  ports: { space: string; random: Random; logger: Logger },
  stack: ShutdownStack,
): Promise<SnapshotStore> {
  const { natsUrl, natsFiles: files, logEngine, logReplicas: replicas } = config;
  if (logEngine !== 'lmdb' && natsUrl !== undefined) {
    const { openKvSnapshots } = await import('./actors/runtime/kv-snapshots.ts');
    try {
      const snapshots = await openKvSnapshots({ ...ports, servers: natsUrl, files, replicas, name: 'starling snapshots' });
      stack.push('snapshots', () => snapshots.close());
      return snapshots;
    } catch (error) {
      // With the log in EventStoreDB, NATS need not have JetStream.
      ports.logger.warn(
        { err: error },
        'there is no JetStream for snapshots of actors: this node keeps its own, and others read whole streams',
      );
    }
  }
  const { openFileSnapshots } = await import('./actors/runtime/file-snapshots.ts');
  return openFileSnapshots(directory.inside('snapshots'));
}

import { StorageType } from 'nats';
import { limits } from '../../limits.ts';
import { openNatsConnection } from '../../nats/nats-connection.ts';
import type { NatsOptions } from '../../nats/nats-connection.ts';
import type { SnapshotStore } from './snapshots.ts';

export interface KvSnapshotsOptions extends NatsOptions {
  /** Keeps systems apart on one NATS: 1 to 64 of A-Z a-z 0-9 _ -. */
  readonly space: string;
  readonly replicas: number;
}

/**
 * Snapshots in a key-value bucket of JetStream, where whoever takes an actor over reaches them; one for each stream, the last one that was written. Two nodes
 * may write one at the same time, and the older may stay: that costs a longer recovery, as everything about snapshots does.
 * @throws {NatsUnreachable} @throws {NatsError} when there is no JetStream.
 */
export async function openKvSnapshots(options: KvSnapshotsOptions): Promise<SnapshotStore & { close(): Promise<void> }> {
  const connection = await openNatsConnection(options);
  try {
    const jetStream = connection.jetstream({ timeout: limits.snapshotTimeoutMs });
    const bucket = await jetStream.views.kv(`starling_snapshots_${options.space}`, {
      history: 1,
      replicas: options.replicas,
      storage: StorageType.File,
      description: 'snapshots of actors: can be deleted at any time',
    });
    return {
      async load(stream) {
        const entry = await bucket.get(stream);
        // A key that somebody deleted has an entry that says so.
        return entry === null || entry.operation !== 'PUT' ? undefined : entry.value;
      },
      async save(stream, _version, bytes) {
        const max = (connection.info?.max_payload ?? Infinity) - limits.jetStreamHeaderBytes;
        if (bytes.length > max)
          throw new Error(`a snapshot of ${bytes.length} bytes does not fit into a message of this NATS (max_payload)`);
        await bucket.put(stream, bytes);
      },
      close: () => connection.close(),
    };
  } catch (error) {
    await connection.close();
    throw error;
  }
}

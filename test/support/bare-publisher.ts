import { RetentionPolicy, StorageType, connect } from 'nats';
import type { NatsConnection } from 'nats';
import { eventually } from './wait-for.ts';

/** Publishes to a stream of its own, one message after the other: what the servers by themselves make a client wait. */
export interface BarePublisher {
  /** Moves the leader of its stream to the server that leads the other stream. */
  shareLeaderWith(stream: string): Promise<string>;
  /** The longest that one message waited for its acknowledgement since the last call, in milliseconds. */
  longestWaitMs(): number;
  stop(): Promise<void>;
}

const stream = 'BARE';

export async function startBarePublisher(servers: readonly string[]): Promise<BarePublisher> {
  const connection: NatsConnection = await connect({ servers: [...servers], maxReconnectAttempts: -1, reconnectTimeWait: 100 });
  const manager = await connection.jetstreamManager();
  await manager.streams.add({
    name: stream,
    subjects: ['bare'],
    num_replicas: servers.length,
    storage: StorageType.File,
    retention: RetentionPolicy.Limits,
  });
  const leaderOf = async (name: string) => (await manager.streams.info(name)).cluster?.leader;
  let stopping = false;
  let longest = 0;
  let since = performance.now();

  async function publish(): Promise<void> {
    while (!stopping) {
      since = performance.now();
      for (;;) {
        // A short time-out, so that what is measured is the gap and not the patience.
        const done = await connection
          .jetstream()
          .publish('bare', new Uint8Array(100), { timeout: 250 })
          .then(
            () => true,
            () => false,
          );
        if (done || stopping) break;
      }
      longest = Math.max(longest, performance.now() - since);
      await new Promise((resolve) => void setTimeout(resolve, 20));
    }
  }
  const publishing = publish();
  return {
    async shareLeaderWith(other) {
      return eventually(
        async () => {
          const wanted = await leaderOf(other);
          if (wanted !== undefined && wanted === (await leaderOf(stream))) return wanted;
          await connection.request(`$JS.API.STREAM.LEADER.STEPDOWN.${stream}`, undefined, { timeout: 2_000 });
          return undefined;
        },
        'both streams have one leader',
        60_000,
        500,
      );
    },
    longestWaitMs() {
      const worst = Math.max(longest, performance.now() - since);
      longest = 0;
      return worst;
    },
    async stop() {
      stopping = true;
      await publishing;
      await connection.close();
    },
  };
}

import { connect } from 'nats';
import type { NatsConnection } from 'nats';
import { freePorts } from '../../src/cli/cluster/free-ports.ts';
import { startNatsServer } from './nats-server.ts';
import type { NatsServer } from './nats-server.ts';
import { eventually } from './wait-for.ts';

export interface NatsCluster {
  readonly servers: readonly NatsServer[];
  readonly urls: readonly string[];
  /** Index of the server that leads the NATS stream now. */
  leaderOf(stream: string): Promise<number>;
  /** Has another server lead the NATS stream. */
  stepDown(stream: string): Promise<void>;
  /** An ordinary client, connected to all. */
  client(): Promise<NatsConnection>;
  remove(): Promise<void>;
}

/** Real nats-servers that form a JetStream cluster on the loopback, each to be killed, stopped, continued and restarted on its own. */
export async function startNatsCluster(size = 3): Promise<NatsCluster> {
  const routes = await freePorts(size);
  const servers = await Promise.all(
    routes.map((route, index) =>
      startNatsServer({
        jetStream: true,
        config: [
          `server_name: n${index}`,
          `cluster { name: test, listen: "127.0.0.1:${route}", routes: [${routes.map((port) => `"nats://127.0.0.1:${port}"`).join(', ')}] }`,
        ].join('\n'),
      }),
    ),
  );
  const urls = servers.map(({ url }) => url);
  const clients: NatsConnection[] = [];

  async function client(): Promise<NatsConnection> {
    const connection = await connect({ servers: urls, maxReconnectAttempts: -1, reconnectTimeWait: 100, ignoreClusterUpdates: true });
    clients.push(connection);
    return connection;
  }

  const remove = async () => {
    await Promise.all(clients.map((connection) => connection.close()));
    await Promise.all(servers.map((server) => server.remove()));
  };
  try {
    const first = await client();
    const ask = async (subject: string) => {
      const answer = (await first.request(subject, '{}', { timeout: 1_000 })).json() as { error?: unknown };
      if (answer.error) throw new Error(JSON.stringify(answer.error));
      return answer;
    };
    await eventually(() => ask('$JS.API.INFO'), 'the cluster has a leader', 30_000, 100);
    return {
      servers,
      urls,
      client,
      remove,
      async leaderOf(stream) {
        const leader = await eventually(
          async () => ((await ask(`$JS.API.STREAM.INFO.${stream}`)) as { cluster?: { leader?: string } }).cluster?.leader,
          `${stream} has a leader`,
          30_000,
        );
        return Number(leader.slice(1));
      },
      stepDown: async (stream) => void (await ask(`$JS.API.STREAM.LEADER.STEPDOWN.${stream}`)),
    };
  } catch (cause) {
    await remove();
    throw cause;
  }
}

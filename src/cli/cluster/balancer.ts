import { connect, createServer } from 'node:net';
import type { Socket } from 'node:net';
import { limits } from '../../limits.ts';

export interface Balancer {
  readonly port: number;
  close(): Promise<void>;
}

/**
 * Hands each new connection to the next target in turn, and to the one after it where that does not listen. It passes bytes and knows nothing of HTTP:
 * for one machine, where the nodes are not the client's business. In front of real machines stands a real load balancer.
 * @throws when the port is taken. `port` 0: any free one.
 */
export async function startBalancer(at: { host: string; port: number }, targets: readonly number[]): Promise<Balancer> {
  const open = new Set<Socket>();
  let turn = 0;

  function serve(client: Socket): void {
    open.add(client);
    client.setNoDelay(true);
    client.on('close', () => open.delete(client));
    // Whoever is gone needs no answer; without a listener it would end the process.
    client.on('error', () => client.destroy());
    const first = turn++;
    forward(
      client,
      targets.map((_, index) => targets[(first + index) % targets.length]!),
    );
  }

  const server = createServer(serve);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(at.port, at.host, () => resolve());
  });
  return {
    port: (server.address() as { port: number }).port,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}

function forward(client: Socket, [port, ...others]: readonly number[]): void {
  if (port === undefined) return void client.destroy();
  const target = connect({ port, host: '127.0.0.1', timeout: limits.balancerConnectTimeoutMs });
  let connected = false;
  const give = (): void => {
    target.destroy();
    if (connected) client.destroy();
    else forward(client, others);
  };
  target.once('error', give);
  target.once('timeout', give);
  client.once('close', () => target.destroy());
  target.once('connect', () => {
    connected = true;
    target.setTimeout(0);
    target.setNoDelay(true);
    target.on('close', () => finish(client, target.readableEnded));
    client.pipe(target).pipe(client);
  });
}

/** Nothing more comes. What came last, such as why a WebSocket is closed, may still wait for a client that is slow: only one that takes nothing loses it. */
function finish(client: Socket, whole: boolean): void {
  if (!whole) return void client.destroy();
  client.setTimeout(limits.balancerLingerMs, () => client.destroy());
  client.destroySoon();
}

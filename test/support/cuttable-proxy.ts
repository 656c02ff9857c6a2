import { connect, createServer } from 'node:net';
import type { Socket } from 'node:net';

/** A stretch of network between a client and a server that can be cut, in one direction or both: what is sent then waits, as TCP does over a dead wire. */
export interface CuttableProxy {
  readonly port: number;
  cut(direction: 'to-server' | 'to-client' | 'both'): void;
  heal(): void;
  close(): Promise<void>;
}

export async function startCuttableProxy(target: { readonly host: string; readonly port: number }): Promise<CuttableProxy> {
  const pairs = new Set<{ readonly client: Socket; readonly server: Socket }>();
  const dead = { 'to-server': false, 'to-client': false };

  function apply(from: Socket, isDead: boolean): void {
    if (isDead) from.pause();
    else from.resume();
  }

  function forward(from: Socket, to: Socket, isDead: () => boolean): void {
    from.on('data', (chunk) => {
      if (!to.write(chunk)) {
        from.pause();
        to.once('drain', () => apply(from, isDead()));
      }
    });
    from.on('error', () => from.destroy());
    from.on('close', () => to.destroy());
    apply(from, isDead());
  }

  const listener = createServer((client) => {
    const server = connect(target);
    const pair = { client, server };
    pairs.add(pair);
    client.on('close', () => pairs.delete(pair));
    forward(client, server, () => dead['to-server']);
    forward(server, client, () => dead['to-client']);
  });
  await new Promise<void>((resolve) => void listener.listen(0, '127.0.0.1', resolve));

  function set(toServer: boolean, toClient: boolean): void {
    dead['to-server'] = toServer;
    dead['to-client'] = toClient;
    for (const { client, server } of pairs) {
      apply(client, toServer);
      apply(server, toClient);
    }
  }
  return {
    port: (listener.address() as { port: number }).port,
    cut: (direction) => set(direction !== 'to-client', direction !== 'to-server'),
    heal: () => set(false, false),
    async close() {
      for (const { client, server } of pairs) {
        client.destroy();
        server.destroy();
      }
      await new Promise((resolve) => listener.close(resolve));
    },
  };
}

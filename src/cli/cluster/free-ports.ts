import { createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';

/** Ports of the loopback that are free now, all different. Somebody else may take one before it is used: then whoever wanted it says so. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(Array.from({ length: count }, () => open(0, '127.0.0.1')));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/**
 * Whoever finds its port taken cannot start, and the others would talk to whoever has it: to the NATS of another cluster, as if they were of that.
 * @throws {PortTaken}
 */
export async function assertFree(ports: readonly number[], cure: string, host = '127.0.0.1'): Promise<void> {
  for (const port of ports) {
    const server = await open(port, host).catch((cause: NodeJS.ErrnoException) => {
      if (cause.code !== 'EADDRINUSE') throw cause;
      throw new PortTaken(`port ${port} is taken by another program: stop it, or ${cure}`, { cause });
    });
    await new Promise((resolve) => server.close(resolve));
  }
}

export class PortTaken extends Error {
  readonly code = 'PORT_TAKEN';
  override readonly name = 'PortTaken';
}

function open(port: number, host: string): Promise<Server> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => resolve(server));
  });
}

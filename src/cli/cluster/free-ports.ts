import { createServer } from 'node:net';
import type { Server } from 'node:net';

/** Where no system takes the ports of outgoing connections from: Linux begins at 32,768, others later. Such a connection would take one before it is used. */
const [lowest, beyond] = [16_384, 32_768];

/** Each process looks in a place of its own, upwards: two would otherwise find the same one free, and one alone twice, as long as nobody listens on it. */
let next = (process.pid * 997) % (beyond - lowest);

/** Ports of the loopback that are free now, none handed out twice. Another process may take one before it is used: then whoever wanted it says so. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) {
    const port = lowest + next;
    next = (next + 1) % (beyond - lowest);
    if (await isFree(port)) ports.push(port);
  }
  return ports;
}

async function isFree(port: number): Promise<boolean> {
  try {
    await assertFree([port], 'choose another');
    return true;
  } catch (cause) {
    if (cause instanceof PortTaken) return false;
    throw cause;
  }
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

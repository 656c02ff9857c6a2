import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

export interface CuttableLink {
  readonly port: number;
  /** From now on no byte passes, and nobody is told: as when a cable is pulled. */
  cut(): void;
  /** What was under way is lost; whoever connects again gets through. */
  heal(): void;
  close(): Promise<void>;
}

/** A proxy on the loopback in front of another port of it. */
export async function openCuttableLink(target: number): Promise<CuttableLink> {
  const sockets = new Set<Socket>();
  let isCut = false;
  const hold = (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).on('close', () => sockets.delete(socket));
  };
  const server = createServer((near) => {
    hold(near);
    if (isCut) return void near.pause();
    const far = connect(target, '127.0.0.1');
    hold(far);
    near.on('data', (bytes) => void (isCut || far.write(bytes))).on('close', () => isCut || far.destroy());
    far.on('data', (bytes) => void (isCut || near.write(bytes))).on('close', () => isCut || near.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const drop = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    cut: () => void (isCut = true),
    heal() {
      isCut = false;
      drop();
    },
    async close() {
      drop();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

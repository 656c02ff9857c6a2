import type { Clock } from '../../clock.ts';

/** What is used of a WebSocket. */
export interface PingSocket {
  ping(): void;
  terminate(): void;
  on(event: 'pong', listener: () => void): unknown;
}

/**
 * Finds connections whose other end has gone without a word: who has not answered the last ping when the next is due is cut off. A client that has stopped reading does
 * not answer either. One sweep for all of them.
 */
export function startHeartbeat<Socket extends PingSocket>(sockets: () => Iterable<Socket>, options: { clock: Clock; everyMs: number }) {
  const stopped = new AbortController();
  const unanswered = new WeakSet<Socket>();

  async function run(): Promise<void> {
    while (!stopped.signal.aborted) {
      await options.clock.sleep(options.everyMs, stopped.signal);
      if (stopped.signal.aborted) return;
      for (const socket of sockets()) {
        if (unanswered.has(socket)) {
          socket.terminate();
          continue;
        }
        unanswered.add(socket);
        socket.ping();
      }
    }
  }
  void run();

  return {
    watch: (socket: Socket): void => void socket.on('pong', () => unanswered.delete(socket)),
    stop: (): void => stopped.abort(),
  };
}

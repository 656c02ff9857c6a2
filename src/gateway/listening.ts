import { createServer } from 'node:net';

export class ListenFailed extends Error {
  readonly code = 'LISTEN_FAILED';
  override readonly name = 'ListenFailed';
}

/** What went wrong with listening, and what to do. */
export function listenFailure(host: string, port: number, cause: unknown): ListenFailed {
  return new ListenFailed(whyNot(host, port, cause), { cause });
}

/** Before anything is begun that would leave a trace. @throws {ListenFailed} */
export async function assertCanListen({ host, port }: { readonly host: string; readonly port: number }): Promise<void> {
  const server = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host, port }, resolve);
    });
  } catch (cause) {
    throw listenFailure(host, port, cause);
  }
  await new Promise((resolve) => server.close(resolve));
}

function whyNot(host: string, port: number, cause: unknown): string {
  switch ((cause as NodeJS.ErrnoException).code) {
    case 'EADDRINUSE':
      return `Port ${port} of ${host} is taken by another program. Choose another port, or stop that program.`;
    case 'EACCES':
      return `Port ${port} may not be opened by this user. Choose one above 1023.`;
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return `${host} is not an address of this machine. Choose 127.0.0.1 for this machine alone, or 0.0.0.0 for all its addresses.`;
    default:
      return `Cannot listen on ${host}, port ${port}: ${(cause as Error).message}`;
  }
}

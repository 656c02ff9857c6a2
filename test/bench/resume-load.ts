import { WebSocket } from 'ws';

/** Clients that resume the home timeline over and over: each has one socket, and subscribes again as soon as it has what it missed. */
export interface ResumePlan {
  readonly port: number;
  /** One socket for each. */
  readonly clients: readonly { readonly token: string; readonly after: string }[];
  /** Entries that every resume brings before it is complete. */
  readonly entries: number;
  readonly forMs: number;
}

export interface ResumeResult {
  readonly resumes: number;
  readonly failed: number;
  readonly firstFailure?: string;
  readonly perSecond: number;
}

const document =
  'subscription ($after: String) { homeTimeline(after: $after) { cursor node { id text createdAt author { handle name } } } }';

export async function runResumes(plan: ResumePlan): Promise<ResumeResult> {
  const clients = await Promise.all(plan.clients.map((client) => connect(plan.port, client.token)));
  const failures: string[] = [];
  let resumes = 0;
  const startedAt = performance.now();
  const endsAt = startedAt + plan.forMs;
  try {
    await Promise.all(
      clients.map(async (socket, index) => {
        for (let round = 0; performance.now() < endsAt; round++) {
          const failure = await resumeOnce(socket, `${round}`, plan.clients[index]!.after, plan.entries);
          if (failure !== undefined) failures.push(failure);
          else if (performance.now() <= endsAt) resumes++;
          if (failures.length > 10) return;
        }
      }),
    );
  } finally {
    for (const socket of clients) socket.terminate();
  }
  return {
    resumes,
    failed: failures.length,
    ...(failures.length === 0 ? {} : { firstFailure: failures[0]! }),
    perSecond: (resumes * 1_000) / plan.forMs,
  };
}

async function connect(port: number, token: string): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/graphql`, 'graphql-transport-ws', { perMessageDeflate: false });
  await new Promise<void>((resolve, reject) => {
    socket.once('open', () => socket.send(JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } })));
    socket.once('error', reject);
    socket.once('close', (code) => reject(new Error(`the gateway closed a socket: ${code}`)));
    socket.once('message', () => resolve());
  });
  return socket;
}

/** Subscribes, takes the entries that were missed, completes. Returns what went wrong, if anything. */
function resumeOnce(socket: WebSocket, id: string, after: string, entries: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    let received = 0;
    const end = (failure?: string) => {
      clearTimeout(timer);
      socket.off('message', onMessage);
      if (failure === undefined) socket.send(JSON.stringify({ id, type: 'complete' }));
      resolve(failure);
    };
    const timer = setTimeout(() => end('a resume brought nothing for ten seconds'), 10_000);
    const onMessage = (data: Buffer) => {
      const message = JSON.parse(data.toString('utf8')) as { id?: string; type: string; payload?: { errors?: unknown } };
      if (message.id !== id) return;
      if (message.type !== 'next' || message.payload?.errors !== undefined) return end(data.toString('utf8').slice(0, 300));
      if (++received === entries) end();
    };
    socket.on('message', onMessage);
    socket.send(JSON.stringify({ id, type: 'subscribe', payload: { query: document, variables: { after } } }));
  });
}

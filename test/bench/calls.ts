import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';

// Calls between the bench and its child processes: the system under test, the load, the memory probe. Plain values over Node's own channel.

type Handlers = Record<string, (argument: never) => unknown>;
type Reply = { readonly id: number; readonly result?: unknown; readonly error?: string; readonly progress?: string };

/** What a child serves, as its caller sees it. */
export interface Child<Served extends Handlers> {
  call<Name extends keyof Served & string>(name: Name, argument: Parameters<Served[Name]>[0]): Promise<Awaited<ReturnType<Served[Name]>>>;
  readonly pid: number;
  /** Asks it to end; kills it when it does not. */
  stop(): Promise<void>;
}

const stopWithinMs = 20_000;

/** Starts a child process on a TypeScript file that calls `serveCalls`. Its standard error goes to ours. */
export function startChild<Served extends Handlers>(
  script: URL,
  options: { nodeOptions?: readonly string[]; onProgress?: (text: string) => void } = {},
): Child<Served> {
  const child = fork(script, {
    execArgv: ['--import', 'tsx', ...(options.nodeOptions ?? [])],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const waiting = new Map<number, { resolve: (value: never) => void; reject: (cause: Error) => void }>();
  let nextId = 0;
  const ended = new Promise<void>((resolve) => {
    child.once('exit', (code, signal) => {
      for (const { reject } of waiting.values()) reject(new Error(`${script.pathname} ended (${signal ?? code})`));
      waiting.clear();
      resolve();
    });
  });
  child.on('message', (reply: Reply) => {
    if (reply.progress !== undefined) return options.onProgress?.(reply.progress);
    const waiter = waiting.get(reply.id);
    waiting.delete(reply.id);
    if (reply.error === undefined) waiter?.resolve(reply.result as never);
    else waiter?.reject(new Error(reply.error));
  });
  return {
    pid: child.pid ?? 0,
    call: (name, argument) =>
      new Promise((resolve, reject) => {
        if (!child.connected) return reject(new Error(`${script.pathname} has ended`));
        const id = nextId++;
        waiting.set(id, { resolve, reject });
        child.send({ id, name, argument });
      }),
    stop: () => stopChild(child, ended),
  };
}

/** The child's side: answers calls until its parent goes, and then ends. `stop` runs before the end. */
export function serveCalls(handlers: Handlers, stop: () => Promise<void> = () => Promise.resolve()): void {
  process.on('message', (call: { id: number; name: string; argument: never }) => {
    void (async () => {
      const reply: Reply = await Promise.resolve()
        .then(() => handlers[call.name]!(call.argument))
        .then(
          (result) => ({ id: call.id, result }),
          (cause: unknown) => ({ id: call.id, error: cause instanceof Error ? (cause.stack ?? cause.message) : String(cause) }),
        );
      if (process.connected) process.send?.(reply);
    })();
  });
  process.once('disconnect', () => void stop().finally(() => process.exit()));
  // Ctrl-C reaches the whole group; the parent decides when its children end.
  process.on('SIGINT', () => {});
}

/** Tells the parent how far a long call is. */
export function tellProgress(text: string): void {
  if (process.connected) process.send?.({ id: -1, progress: text } satisfies Reply);
}

async function stopChild(child: ChildProcess, ended: Promise<void>): Promise<void> {
  if (child.connected) child.disconnect();
  const timer = setTimeout(() => child.kill('SIGKILL'), stopWithinMs);
  await ended;
  clearTimeout(timer);
}

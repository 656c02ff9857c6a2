import { setMaxListeners } from 'node:events';
import { rm } from 'node:fs/promises';
import { type Socket, createServer } from 'node:net';
import { limits } from '../limits.ts';
import type { Logger } from '../logger.ts';
import { type ControlReply, type ControlRequest, JobFailed, type Progress, parseRequest } from './control-protocol.ts';

export interface JobContext {
  /** Aborted when whoever asked has gone, or the node stops. */
  readonly signal: AbortSignal;
  report(progress: Progress): void;
}

/** The result must be JSON. */
export type RunJob = (request: ControlRequest, context: JobContext) => Promise<unknown>;

export interface ControlServer {
  /** Cancels what runs, waits for it, and takes the socket away. */
  close(): Promise<void>;
}

/**
 * Listens on a Unix socket that only its owner can open. The caller holds the lock of the data directory, so that a socket which is
 * already there can only be left over from a process that was killed.
 */
export async function serveControl(path: string, runJob: RunJob, options: { logger: Logger }): Promise<ControlServer> {
  const stopping = new AbortController();
  const sockets = new Set<Socket>();
  const running = new Set<Promise<void>>();
  const server = createServer((socket) => {
    if (sockets.size >= limits.controlConnectionsMax) return void socket.destroy();
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    const served = serveOne(socket, runJob, stopping.signal, options.logger).finally(() => running.delete(served));
    running.add(served);
  });
  await rm(path, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    // Bound before `listen` returns, and its owner's alone from then on: a `chmod` would come late where the directory is open to others.
    const umask = process.umask(0o177);
    try {
      server.listen(path, resolve);
    } finally {
      process.umask(umask);
    }
  });
  server.on('error', (error) => options.logger.error({ error: error.message }, 'control socket'));
  return {
    async close() {
      stopping.abort();
      const closed = new Promise<void>((resolve) => void server.close(() => resolve()));
      await Promise.all(running);
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

async function serveOne(socket: Socket, runJob: RunJob, stopping: AbortSignal, logger: Logger): Promise<void> {
  const gone = new AbortController();
  const signal = AbortSignal.any([gone.signal, stopping]);
  // An import waits on it once for each command in flight.
  setMaxListeners(0, signal);
  socket.on('error', () => gone.abort());
  socket.once('close', () => gone.abort());
  let behind = false;
  socket.on('drain', () => (behind = false));
  const send = (reply: ControlReply): void => {
    if (!socket.destroyed) behind = !socket.write(`${JSON.stringify(reply)}\n`);
  };
  try {
    const request = parseRequest(await firstLine(socket, signal));
    logger.info({ job: request.job }, 'job begins');
    // Progress is news: what a slow reader did not take is not worth keeping.
    const result = await runJob(request, { signal, report: (progress) => void (behind || send({ progress })) });
    send({ result: result ?? null });
    logger.info({ job: request.job }, 'job ended');
  } catch (error) {
    if (signal.aborted && !stopping.aborted) logger.info({}, 'job cancelled');
    else if (!(error instanceof JobFailed)) logger.error({ error: (error as Error).stack }, 'job failed');
    send({ error: describeFailure(error, stopping) });
  } finally {
    socket.end();
  }
}

/** @throws {JobFailed} when the line is too long or does not come. */
function firstLine(socket: Socket, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let bytes = 0;
    socket.setTimeout(limits.controlRequestTimeoutMs, () => reject(new JobFailed('BAD_REQUEST', 'no request came')));
    signal.addEventListener('abort', () => reject(new JobFailed('CANCELLED', 'the connection was closed')), { once: true });
    socket.on('data', (part: Buffer) => {
      bytes += part.length;
      if (bytes > limits.controlRequestBytesMax)
        return reject(new JobFailed('BAD_REQUEST', `a request has at most ${limits.controlRequestBytesMax} bytes`));
      parts.push(part);
      if (!part.includes(10)) return;
      socket.setTimeout(0);
      socket.removeAllListeners('data');
      // Goes on reading into nowhere, so that the end of the connection is noticed.
      socket.resume();
      resolve(Buffer.concat(parts).toString('utf8').split('\n', 1)[0]!);
    });
  });
}

function describeFailure(error: unknown, stopping: AbortSignal): { code: string; message: string } {
  if (stopping.aborted) return { code: 'STOPPING', message: 'the running Starling stops; run the command again' };
  const { code, message } = error as { code?: unknown; message?: unknown };
  return { code: typeof code === 'string' ? code : 'INTERNAL', message: typeof message === 'string' ? message : String(error) };
}

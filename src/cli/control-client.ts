import { type Socket, createConnection } from 'node:net';
import { type ControlRequest, JobFailed, type Progress, parseReply } from './control-protocol.ts';

/** Nobody listens on the control socket: no Starling runs on that data directory. */
export class NotRunning extends Error {
  readonly code = 'NOT_RUNNING';
  override readonly name = 'NotRunning';
}

/**
 * Runs a job in the node that listens on the socket; aborting cancels it there.
 * @throws {NotRunning} @throws {JobFailed} with the words of the node, when it is another user's, when it went away in the middle, or said nothing for too long.
 */
export async function requestJob(
  path: string,
  request: ControlRequest,
  options: {
    signal: AbortSignal;
    report: (progress: Progress) => void;
    /** How long it may say nothing; without it, for ever. */
    silentMs?: number;
  },
): Promise<unknown> {
  const socket = createConnection(path);
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', (cause: NodeJS.ErrnoException) => {
      const nobody = cause.code === 'ENOENT' || cause.code === 'ECONNREFUSED' || cause.code === 'ENOTSOCK';
      if (nobody) return reject(new NotRunning('no Starling runs on this data directory', { cause }));
      const forbidden = `${path} is not for this user: run the command as the user that runs Starling there`;
      reject(cause.code === 'EACCES' || cause.code === 'EPERM' ? new JobFailed('FORBIDDEN', forbidden, { cause }) : cause);
    });
  });
  const cancel = (): void => void socket.destroy();
  options.signal.addEventListener('abort', cancel, { once: true });
  // A process that stands still has its connections taken by the system, and answers none.
  let silent = false;
  socket.setTimeout(options.silentMs ?? 0, () => {
    silent = true;
    socket.destroy();
  });
  // What breaks the connection shows as its end below.
  socket.on('error', () => undefined);
  if (options.signal.aborted) cancel();
  else socket.write(`${JSON.stringify(request)}\n`);
  try {
    for await (const line of linesOf(socket)) {
      const reply = parseReply(line);
      if (reply === undefined)
        throw new JobFailed('BAD_REPLY', 'the running Starling answered in a way that this one does not know: are both of one version?');
      if ('progress' in reply) options.report(reply.progress);
      else if ('result' in reply) return reply.result;
      else throw new JobFailed(reply.error.code, reply.error.message);
    }
  } finally {
    options.signal.removeEventListener('abort', cancel);
    socket.destroy();
  }
  if (options.signal.aborted) throw new JobFailed('CANCELLED', 'cancelled');
  if (silent)
    throw new JobFailed(
      'NO_ANSWER',
      `the running Starling said nothing for ${options.silentMs! / 1_000} s: does it stand still, or its log or database?`,
    );
  throw new JobFailed('CONNECTION_LOST', 'the running Starling went away before the job ended');
}

/** Until the connection ends, in whatever way. */
async function* linesOf(socket: Socket): AsyncGenerator<string> {
  let rest = '';
  try {
    for await (const chunk of socket.setEncoding('utf8')) {
      const lines = (rest + (chunk as string)).split('\n');
      rest = lines.pop()!;
      yield* lines;
    }
  } catch {
    // Reset, or destroyed by us: to whoever reads it is the end as any other.
  }
}

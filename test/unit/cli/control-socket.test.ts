import { execFile } from 'node:child_process';
import { chmod, stat, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import { NotRunning, requestJob } from '../../../src/cli/control-client.ts';
import type { Progress } from '../../../src/cli/control-protocol.ts';
import { JobFailed } from '../../../src/cli/control-protocol.ts';
import type { RunJob } from '../../../src/cli/control-server.ts';
import { serveControl } from '../../../src/cli/control-server.ts';
import { limits } from '../../../src/limits.ts';
import { silentLogger } from '../../../src/logger.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { eventually } from '../../support/wait-for.ts';

const run = promisify(execFile);
const root = process.getuid?.() === 0;
const never = new AbortController().signal;
const status = { job: 'status', arguments: {} } as const;
const quiet = { signal: never, report: () => undefined };

async function serve(runJob: RunJob): Promise<string> {
  const path = join(await tempDir(), 'control.sock');
  const server = await serveControl(path, runJob, { logger: silentLogger });
  onTestFinished(() => server.close());
  return path;
}

/** What the server answers to these bytes. */
async function send(path: string, bytes: string): Promise<string> {
  const socket = connect(path);
  socket.setEncoding('utf8');
  socket.on('error', () => undefined);
  let answer = '';
  socket.on('data', (part) => (answer += part));
  socket.write(bytes);
  await new Promise<void>((resolve) => socket.once('close', () => resolve()));
  return answer;
}

describe('the control socket', () => {
  it('is for its owner alone, and takes the place of one that was left over', async () => {
    const path = join(await tempDir(), 'control.sock');
    await writeFile(path, 'left over');
    const umask = process.umask(0);
    onTestFinished(() => void process.umask(umask));
    const server = await serveControl(path, async () => 1, { logger: silentLogger });
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await requestJob(path, status, quiet)).toBe(1);
    await server.close();
    await expect(requestJob(path, status, quiet)).rejects.toThrow(NotRunning);
  });

  it('says to another user whose it is', async () => {
    const path = await serve(async () => 1);
    // Root may open every socket, so it asks as somebody else.
    if (root) await chmod(join(path, '..'), 0o755);
    else await chmod(path, 0);
    const source = `
      import { requestJob } from './src/cli/control-client.ts';
      if (process.getuid() === 0) process.setuid(65534);
      await requestJob(${JSON.stringify(path)}, { job: 'status', arguments: {} }, { signal: new AbortController().signal, report: () => undefined })
        .then(() => console.log('answered'), (error) => console.log(error.code, error.message));`;
    const { stdout } = await run(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', source]);
    expect(stdout).toMatch(/^FORBIDDEN .*control\.sock is not for this user: run the command as the user that runs Starling there/);
  });

  it('is not waited for without end when its process stands still', async () => {
    const path = join(await tempDir(), 'control.sock');
    // The system takes connections for whoever listens, whether that runs or not.
    const server = createServer((socket) => void socket.resume());
    await new Promise<void>((resolve) => void server.listen(path, resolve));
    onTestFinished(() => void server.close());
    await expect(requestJob(path, status, { ...quiet, silentMs: 50 })).rejects.toMatchObject({
      code: 'NO_ANSWER',
      message: 'the running Starling said nothing for 0.05 s: does it stand still, or its log or database?',
    });
  });

  it('streams progress and then the result', async () => {
    const path = await serve(async (request, { report }) => {
      for (const done of [1, 2]) report({ phase: request.job, done, total: 2, unit: 'steps' });
      return { given: request.arguments };
    });
    const seen: Progress[] = [];
    const result = await requestJob(
      path,
      { job: 'import', arguments: { follows: '/x' } },
      { signal: never, report: (progress) => seen.push(progress) },
    );
    expect(result).toEqual({ given: { follows: '/x' } });
    expect(seen.map((progress) => progress.done)).toEqual([1, 2]);
  });

  it('hands failures over with their words', async () => {
    const path = await serve(async () => {
      throw new JobFailed('DIFFERENT', 'the rows differ');
    });
    await expect(requestJob(path, status, quiet)).rejects.toMatchObject({
      name: 'JobFailed',
      code: 'DIFFERENT',
      message: 'the rows differ',
    });
  });

  it('cancels the job when whoever asked goes away', async () => {
    let job: AbortSignal | undefined;
    const path = await serve(async (_, { signal }) => {
      job = signal;
      await once(signal, 'abort');
    });
    const asker = new AbortController();
    const asked = expect(requestJob(path, status, { signal: asker.signal, report: () => undefined })).rejects.toMatchObject({
      code: 'CANCELLED',
    });
    await eventually(() => job, 'the job has begun');
    asker.abort();
    await asked;
    await eventually(() => job?.aborted, 'the job is cancelled');
    await expect(requestJob(path, status, { signal: asker.signal, report: () => undefined })).rejects.toMatchObject({ code: 'CANCELLED' });
  });

  it('cancels what runs when it closes, and says why', async () => {
    const path = join(await tempDir(), 'control.sock');
    let begun = false;
    const runJob: RunJob = async (_, { signal }) => {
      begun = true;
      await once(signal, 'abort');
      signal.throwIfAborted();
    };
    const server = await serveControl(path, runJob, { logger: silentLogger });
    const asked = expect(requestJob(path, status, quiet)).rejects.toMatchObject({ code: 'STOPPING' });
    await eventually(() => begun, 'the job has begun');
    await server.close();
    await asked;
  });

  it.each([
    ['nonsense\n', 'BAD_REQUEST', 'a request is one line with a JSON object'],
    ['[]\n', 'BAD_REQUEST', 'a request is one line with a JSON object'],
    ['{}\n', 'UNKNOWN_JOB', 'there is no job null: status, import, replay, rollback, backup are'],
    ['{"job":"__proto__"}\n', 'UNKNOWN_JOB', 'there is no job "__proto__": status, import, replay, rollback, backup are'],
    ['{"job":"status","arguments":[]}\n', 'BAD_REQUEST', '"arguments" is a JSON object'],
    ['x'.repeat(limits.controlRequestBytesMax + 1), 'BAD_REQUEST', 'a request has at most 65536 bytes'],
  ])('refuses %.60j', async (bytes, code, message) => {
    const path = await serve(async () => 1);
    expect(JSON.parse(await send(path, bytes))).toEqual({ error: { code, message } });
  });

  it('takes a bounded number of connections', async () => {
    const path = await serve(async () => 1);
    const sockets = Array.from({ length: limits.controlConnectionsMax }, () => connect(path));
    for (const socket of sockets) socket.on('error', () => undefined);
    onTestFinished(() => sockets.forEach((socket) => socket.destroy()));
    await Promise.all(sockets.map((socket) => once(socket, 'connect')));
    expect(await send(path, '{"job":"status"}\n')).toBe('');
  });
});

import { execFileSync, spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { makeFreshData } from '../support/fresh-data.ts';
import { endWithRunner } from '../support/end-with-runner.ts';
import { gql, register } from '../support/graphql-client.ts';
import { startStarling } from '../support/starling-process.ts';
import { tempDir } from '../support/temp-dir.ts';
import { eventually } from '../support/wait-for.ts';

// What the kernel sees: a post is written to the journal of the log, the journal is synced, and only then does the reply leave. No test
// from outside could tell a reply that came before its sync without cutting the power.

const posts = 24;

test.skipIf(!canTrace())(
  'the sync of a post returns before its reply is written (needs strace that may attach)',
  async ({ onTestFinished }) => {
    const folder = await tempDir('sync');
    const node = await startStarling({ dataDirectory: await makeFreshData(join(folder, 'data')) });
    onTestFinished(async () => void (await node.stop()));
    const { token } = await register(node.url, 'ada');

    const trace = join(folder, 'trace.txt');
    const calls = 'write,writev,sendto,sendmsg,pwrite64,pwritev,fsync,fdatasync';
    const strace = spawn('strace', ['-f', '-y', '-s', '65536', '-e', `trace=${calls}`, '-p', String(node.pid), '-o', trace], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    endWithRunner(strace);
    let says = '';
    strace.stderr.setEncoding('utf8').on('data', (text: string) => (says += text));
    await eventually(() => says.includes('attached'), 'strace is attached');
    const query = 'mutation ($input: CreatePostInput!) { createPost(input: $input) { commandId position } }';
    const create = (number: number) => gql(node.url, query, { input: { text: `text-${number}.`, commandId: `reply-${number}.` } }, token);
    // Alone, and many that share one sync.
    for (let number = 0; number < posts / 2; number += 1) await create(number);
    await Promise.all(Array.from({ length: posts / 2 }, (_, index) => create(posts / 2 + index)));
    const ended = new Promise((resolve) => strace.once('exit', resolve));
    strace.kill('SIGINT');
    await ended;

    const lines = (await readFile(trace, 'utf8')).split('\n');
    const toJournal = (line: string) => /^\d+ +(?:pwrite64|pwritev|writev|write)\(\d+<[^>]*\/log\/journal>/.test(line);
    const finished = finishedAt(lines);
    for (let number = 0; number < posts; number += 1) {
      const first = (from: number, condition: (line: string) => boolean) =>
        lines.findIndex((line, index) => index >= from && condition(line));
      const written = first(0, (line) => toJournal(line) && line.includes(`text-${number}.`));
      const sync = first(written, (line) => /^\d+ +f(?:data)?sync\(\d+<[^>]*\/log\/journal>/.test(line));
      const reply = first(0, (line) => /\((\d+)<(?:socket|TCP)/.test(line) && line.includes(`reply-${number}.`));
      const seen = `post ${number}: written ${written}, sync ${sync} to ${finished[sync]}, reply ${reply}`;
      expect(Math.min(written, sync, reply), seen).toBeGreaterThanOrEqual(0);
      expect(finished[written], seen).toBeLessThanOrEqual(sync);
      expect(finished[sync], seen).toBeLessThanOrEqual(reply);
    }
  },
);

/** For each line that begins a call: the line at which it returned, which is its own unless another thread came between. */
function finishedAt(lines: readonly string[]): readonly number[] {
  const open = new Map<string, number>();
  const finished = lines.map((_, index) => index);
  for (const [index, line] of lines.entries()) {
    const thread = /^\d+/.exec(line)?.[0] ?? '';
    if (line.includes('<unfinished ...>')) {
      open.set(thread, index);
      finished[index] = Number.POSITIVE_INFINITY;
    } else if (/^\d+ +<\.\.\. \w+ resumed>/.test(line)) finished[open.get(thread) ?? index] = index;
  }
  return finished;
}

function canTrace(): boolean {
  try {
    execFileSync('strace', ['-o', '/dev/null', '-e', 'trace=none', 'true'], { stdio: 'ignore', timeout: 10_000 });
    return true;
  } catch {
    return false;
  }
}

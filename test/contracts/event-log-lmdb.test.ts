import { execFile, spawn, spawnSync } from 'node:child_process';
import { chmod, copyFile, mkdir, open as openFile, readFile, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { LogCorrupt, LogUnavailable, PositionOfAnotherLog } from '../../src/events/event-log.ts';
import type { EventLog, ExpectedVersion, NewCommit, RecordedCommit, StreamHead } from '../../src/events/event-log.ts';
import type { PostId, StreamName } from '../../src/events/ids.ts';
import { journalFileName, logFileName, openLmdbLog, renewLogId } from '../../src/events/lmdb-log.ts';
import type { LmdbEventLog } from '../../src/events/lmdb-log.ts';
import { limits } from '../../src/limits.ts';
import { silentLogger } from '../../src/logger.ts';
import type { Logger } from '../../src/logger.ts';
import { systemRandom } from '../../src/random.ts';
import { tempDir } from '../support/temp-dir.ts';
import { eventually } from '../support/wait-for.ts';

const run = promisify(execFile);
const ports = { random: systemRandom, logger: silentLogger };
const stream = 'user-0a0a0a0a-0000-5000-8000-00000000000a' as StreamName;
const root = process.getuid?.() === 0;
const hasStrace = spawnSync('strace', ['-V']).status === 0;
const writerArguments = (directory: string, ...rest: string[]) => [
  '--import',
  'tsx',
  'test/contracts/event-log-writer.ts',
  directory,
  ...rest,
];

const opened: LmdbEventLog[] = [];
async function openAt(directory: string, options: { readOnly?: boolean; logger?: Logger } = {}): Promise<LmdbEventLog> {
  const log = await openLmdbLog({ directory, ...ports, ...options });
  opened.push(log);
  return log;
}
afterEach(async () => {
  await Promise.all(opened.splice(0).map((log) => log.close()));
});

describe('durability of the LMDB log', () => {
  it('every append that was answered is there after kill -9, and nothing is half there', { timeout: 60_000 }, async () => {
    const directory = await tempDir('log');
    const answered = new Map<string, string>();
    for (const answersBeforeDeath of [1, 500, 3_000]) {
      const writer = spawn(process.execPath, writerArguments(directory, '64'), { stdio: ['ignore', 'pipe', 'inherit'] });
      onTestFinished(() => void writer.kill('SIGKILL'));
      let answers = 0;
      for await (const line of createInterface({ input: writer.stdout })) {
        const [name, version, commit] = line.split(' ');
        if (version === undefined || commit === undefined) continue;
        answered.set(`${name} ${version}`, commit);
        answers += 1;
        if (answers === answersBeforeDeath) writer.kill('SIGKILL');
      }
      expect(answers).toBeGreaterThanOrEqual(answersBeforeDeath);

      const log = await openAt(directory);
      const found = new Map<string, string>();
      for (let number = 0; number < 64; number += 1) {
        const name = `stream-${number}` as StreamName;
        for (const commit of await readAll(log, name)) found.set(`${name} ${commit.firstVersion}`, String(commit.commit));
      }
      for (const [append, commit] of answered) expect(found.get(append), append).toBe(commit);
      expect(await collect(log, log.commitCount)).toHaveLength(found.size);
      await log.close();
    }
  });

  it.skipIf(!hasStrace).each([
    // Each takes a page of the journal: more than both areas hold.
    { streams: 1, appends: 800, thread: 'a thread of its own' },
    { streams: 2 * limits.mainThreadCommitsMin, appends: 20, thread: 'the main thread' },
  ])(
    'the disk has an append before it is answered: $streams at once, from $thread (strace)',
    { timeout: 60_000 },
    async ({ streams, appends, thread }) => {
      const directory = await tempDir('log');
      const trace = join(directory, 'trace');
      const calls = 'trace=write,pwrite64,pwritev,writev,fdatasync,fsync,msync';
      const writer = writerArguments(join(directory, 'log'), String(streams), String(appends));
      await run('strace', ['-f', '-y', '-e', calls, '-o', trace, process.execPath, ...writer]);
      // Per group: pages of the journal, their sync, then the answers.
      let state: 'answered' | 'written' | 'synced' = 'written';
      const syncing = new Set<string>();
      const countings = new Set<string>();
      let answers = 0;
      // And an area is written anew only when LMDB has written, synced and made count what stood in it: one transaction for each turn but the last.
      let turns = 0;
      let transactions = 0;
      let begun = false;
      const writers = new Set<string>();
      const answerers = new Set<string>();
      for (const line of (await readFile(trace, 'utf8')).split('\n')) {
        if (/write\(1[<,].*"open/.test(line)) begun = true;
        if (!begun) continue;
        const pid = line.split(' ')[0]!;
        const ofJournal = line.includes(`/${journalFileName}>`);
        const counting = /\/log\.mdb>, .*, (?:40|4136)(?:\)| <)/.exec(line);
        if (counting !== null && line.includes(' = ')) transactions += 1;
        if (counting !== null && line.includes('<unfinished')) countings.add(pid);
        if (countings.has(pid) && line.includes('pwrite64 resumed')) transactions += countings.delete(pid) ? 1 : 0;
        if (ofJournal && /pwrite64\([^<]*<[^>]*>, .*, (?:0|1048576)(?:\)| <)/.test(line)) {
          turns += 1;
          expect(transactions, `turn ${turns}`).toBeGreaterThanOrEqual(turns - 2);
        }
        if (ofJournal && line.includes('pwrite')) {
          state = 'written';
          writers.add(pid);
        }
        // A call of one thread that another one interrupts in the trace ends in a line of its own.
        if (ofJournal && line.includes('fdatasync(')) syncing.add(pid);
        if (syncing.has(pid) && line.endsWith(' = 0')) {
          syncing.delete(pid);
          state = 'synced';
        }
        if (/write\(1[<,].*"stream-/.test(line)) {
          expect(state, `before answer ${answers}`).toMatch(streams === 1 ? 'synced' : /synced|answered/);
          state = 'answered';
          answers += 1;
          answerers.add(pid);
        }
      }
      expect(answers).toBe(appends * streams);
      if (streams === 1) expect(turns).toBeGreaterThan(2);
      expect([...writers].some((pid) => answerers.has(pid))).toBe(thread === 'the main thread');
    },
  );

  it('commits that were not indexed before a crash are found again', { timeout: 60_000 }, async () => {
    const directory = await tempDir('log');
    const copy = await tempDir('log');
    const log = await openAt(directory);
    // More streams than are held in memory, so that some ends of streams are on disk, some on the way, some in memory.
    const names = Array.from({ length: limits.streamHeadsHeldMax + 3_000 }, (_, number) => `stream-${number}` as StreamName);
    const heads = await Promise.all(names.map((name) => log.append(name, 'no-stream', commitOf('x'))));
    // A copy of the running log is what a crash leaves behind.
    await log.backup(join(copy, logFileName));
    const recovered = await openAt(copy);
    const found = await Promise.all(names.map((name) => recovered.head(name)));
    expect(found).toEqual(heads);
    const next = await recovered.append(names[0]!, heads[0]!, commitOf('y'));
    expect(next.version).toBe(1);
  });

  it('what only the journal holds is there for who reads, and after a crash', async () => {
    const directory = await tempDir('log');
    const crashed = await tempDir('log');
    const log = await openAt(directory);
    const heads = [await log.append(stream, 'no-stream', commitOf('first'))];
    heads.push(await log.append(stream, heads[0]!, commitOf('second')));
    // The files as they are a moment later: LMDB's first, so that the journal may be ahead of it.
    for (const name of [logFileName, journalFileName]) await copyFile(join(directory, name), join(crashed, name));
    const readOnly = await openAt(crashed, { readOnly: true });
    expect([readOnly.commitCount, await readOnly.head(stream)]).toEqual([2, heads[1]]);
    expect(await readAll(readOnly, stream)).toEqual(await readAll(log, stream));
    await readOnly.close();
    const recovered = await openAt(crashed);
    expect(await recovered.head(stream)).toEqual(heads[1]);
    await recovered.append(stream, heads[1]!, commitOf('third'));
    await recovered.close();
    // Nothing of it is needed after a stop.
    await rm(join(crashed, journalFileName));
    expect(await readAll(await openAt(crashed), stream)).toHaveLength(3);
  });

  it('a journal that goes on where the file beside it does not end is refused', async () => {
    const directory = await tempDir('log');
    const older = await tempDir('log');
    const log = await openAt(directory);
    await log.append(stream, 'no-stream', commitOf('first'));
    await log.backup(join(older, logFileName));
    await log.append('s' as StreamName, 'no-stream', commitOf('second'));
    await log.close();
    const again = await openAt(directory);
    await again.append('t' as StreamName, 'no-stream', commitOf('third'));
    // Both areas of it, or it would make good what the file lacks.
    await again.backup(join(older, 'newer'));
    await again.append('u' as StreamName, 'no-stream', commitOf('fourth'));
    await copyFile(join(directory, journalFileName), join(older, journalFileName));
    for (const readOnly of [true, false])
      await expect(openAt(older, { readOnly })).rejects.toThrow(
        /goes on with commit 3, but commit 2 is missing: put the file in its place/,
      );
  });

  it('a copy that goes its own way is another log, with the same streams', async () => {
    const [directory, copy] = [await tempDir('log'), await tempDir('copy')];
    const log = await openAt(directory);
    const head = await log.append(stream, 'no-stream', commitOf('before'));
    await log.backup(join(copy, logFileName));
    const id = await renewLogId({ directory: copy, ...ports });
    const own = await openAt(copy);
    expect(own.id).toBe(id);
    expect(own.id).not.toBe(log.id);
    expect(own.namespace).toBe(log.namespace);
    const ownHead = { ...head, position: { ...head.position, logId: id } };
    expect(await own.head(stream)).toEqual(ownHead);
    // The same place in both, and another event in each.
    await log.append(stream, head, commitOf('lost'));
    await own.append(stream, ownHead, commitOf('after'));
    await expect(own.commitAt(head.position)).rejects.toThrow(PositionOfAnotherLog);
    expect((await collect(own, 2)).map(({ events: [event] }) => event)).toMatchObject([{ text: 'before' }, { text: 'after' }]);
  });

  it('grows beyond any size it was opened with', { timeout: 60_000 }, async () => {
    const directory = await tempDir('log');
    const log = await openAt(directory);
    const text = 'x'.repeat(limits.postBytesMax);
    for (let round = 0; round < 10; round += 1) {
      await Promise.all(Array.from({ length: 500 }, (_, n) => log.append(`s-${round}-${n}` as StreamName, 'no-stream', commitOf(text))));
    }
    expect((await stat(join(directory, logFileName))).size).toBeGreaterThan(40 * 1024 * 1024);
    expect(await collect(log, 5_000)).toHaveLength(5_000);
  });
});

describe('trouble of the LMDB log', () => {
  it('a file that is cut short is refused with the cure, before LMDB would bring the process down', async () => {
    const directory = await tempDir('log');
    const path = join(directory, logFileName);
    const log = await openAt(directory);
    const text = 'x'.repeat(limits.postBytesMax);
    await Promise.all(Array.from({ length: 200 }, (_, n) => log.append(`s-${n}` as StreamName, 'no-stream', commitOf(text))));
    await log.close();
    const { size } = await stat(path);
    for (const left of [size - 100_000, size / 2, 8_192]) {
      await truncate(path, left);
      for (const readOnly of [true, false]) {
        const opening = openAt(directory, { readOnly });
        await expect(opening).rejects.toThrow(LogCorrupt);
        await expect(opening).rejects.toThrow(`${path} is cut short: ${left} of ${size} bytes are there. Put the whole file in its place`);
      }
    }
  });

  it.skipIf(!root).each([1, limits.mainThreadCommitsMin])(
    'a full disk refuses appends, %d at once, and loses nothing, and they work again when there is space',
    { timeout: 60_000 },
    async (together) => {
      const directory = await tempDir('full');
      await run('mount', ['-t', 'tmpfs', '-o', 'size=12m', 'tmpfs', directory]);
      onTestFinished(async () => void (await run('umount', ['-l', directory])));
      const ballast = join(directory, 'ballast');
      await writeFile(ballast, Buffer.alloc(6 * 1024 * 1024));
      const said: string[] = [];
      const note = (_: object, message: string) => void said.push(message);
      const log = await openAt(join(directory, 'log'), { logger: { ...silentLogger, warn: note, error: note } });
      const before: StreamHead[] = [];
      // Of the same size, in one commit or in many.
      const append = async () => {
        const commit = commitOf('x'.repeat(limits.postBytesMax / together));
        const others = Array.from({ length: together - 1 }, () => commit);
        return log.appendAll!(stream, before.at(-1) ?? 'no-stream', [commit, ...others]);
      };
      const fill = async (): Promise<unknown> => {
        for (;;) {
          try {
            before.push(...(await append()));
          } catch (error) {
            return error;
          }
        }
      };
      const error = await fill();
      expect(error).toBeInstanceOf(LogUnavailable);
      expect((error as Error).message).toMatch(/no space left.*free some/);
      // Again and again, without any harm.
      for (let n = 0; n < 3; n += 1) {
        await expect(append()).rejects.toThrow(LogUnavailable);
      }
      expect(await log.head(stream)).toEqual(before.at(-1));
      expect(await readAll(log, stream)).toHaveLength(before.length);
      await rm(ballast);
      const after = (await append()).at(-1)!;
      expect(after.version).toBe(before.length + together - 1);
      // Thousands may be refused each second, and the log file stands on a disk too.
      expect(said).toEqual(['the event log cannot write', 'the event log writes again']);
      await log.close();
      const again = await openAt(join(directory, 'log'));
      expect(await readAll(again, stream)).toHaveLength(before.length + together);
      expect(await again.head(stream)).toEqual(after);
      await again.close();
    },
  );

  it.skipIf(!root)('a log cannot be begun on a full disk, and says so', async () => {
    const directory = await tempDir('full');
    await run('mount', ['-t', 'tmpfs', '-o', 'size=32k', 'tmpfs', directory]);
    onTestFinished(async () => void (await run('umount', ['-l', directory])));
    await writeFile(join(directory, 'ballast'), Buffer.alloc(20 * 1024));
    await expect(openLmdbLog({ directory, ...ports })).rejects.toThrow(/no space left for the event log: free some/);
    await rm(join(directory, 'ballast'));
    await run('mount', ['-o', 'remount,size=4m', directory]);
    await (await openAt(directory)).close();
    // Its journal again, that a copy by hand has left out.
    await rm(join(directory, journalFileName));
    await writeFile(join(directory, 'ballast'), Buffer.alloc(3 * 1024 * 1024));
    const opening = openLmdbLog({ directory, ...ports });
    await expect(opening).rejects.toThrow(LogUnavailable);
    await expect(opening).rejects.toThrow(/no space left for the event log: free some/);
    await rm(join(directory, 'ballast'));
  });

  it('a directory without permission says who should have it', async () => {
    const directory = join(await tempDir('log'), 'log');
    await mkdir(directory, { mode: 0o500 });
    await writeFile(join(directory, logFileName), '');
    await chmod(join(directory, logFileName), 0o400);
    // Root may write everywhere, so it asks as somebody else.
    const source = `
      import { openLmdbLog } from './src/events/lmdb-log.ts';
      import { silentLogger } from './src/logger.ts';
      import { systemRandom } from './src/random.ts';
      if (process.getuid() === 0) process.setuid(65534);
      await openLmdbLog({ directory: ${JSON.stringify(directory)}, random: systemRandom, logger: silentLogger })
        .then(() => console.log('opened'), (error) => console.log(error.code, error.message));`;
    if (root) await chmod(join(directory, '..'), 0o755);
    const { stdout } = await run(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', source]);
    expect(stdout).toMatch(/^LOG_UNAVAILABLE no permission for the directory of the event log: give it to the user that runs Starling/);
  });

  it('a file that is no log, and one of a newer format, are refused', async () => {
    const directory = await tempDir('log');
    await writeFile(join(directory, logFileName), 'these are not the bytes of a log'.repeat(1_000));
    await expect(openLmdbLog({ directory, ...ports })).rejects.toThrow(LogCorrupt);
    await writeFile(join(directory, logFileName), '');
    await expect(openLmdbLog({ directory, ...ports, readOnly: true })).rejects.toThrow('no event log was begun there');
    const empty = await tempDir('log');
    await expect(openLmdbLog({ directory: empty, ...ports, readOnly: true })).rejects.toThrow('there is no event log here');
    expect(await readdir(empty)).toEqual([]);
    const { parseAbout } = await import('../../src/events/stored-format.ts');
    const about = { format: 2, id: '00000000-0000-4000-8000-000000000000', namespace: 'n' };
    expect(() => parseAbout(about, '/data/log.mdb')).toThrow(/has format 2, .* reads 1: use a newer one/);
    expect(() => parseAbout({ ...about, format: 1, id: 'x' }, '/data/log.mdb')).toThrow(LogCorrupt);
  });

  it('a flipped bit stops who reads it, by the number of the commit, and does not show the content', async () => {
    const directory = await tempDir('log');
    const log = await openAt(directory);
    const heads: StreamHead[] = [];
    for (let n = 0; n < 5; n += 1)
      heads.push(await log.append(stream, heads.at(-1) ?? 'no-stream', commitOf(`the secret word number ${n}`)));
    await log.close();
    const path = join(directory, logFileName);
    const file = await openFile(path, 'r+');
    const bytes = await readFile(path);
    for (let at = bytes.indexOf('number 2'); at >= 0; at = bytes.indexOf('number 2', at + 1)) await file.write('X', at);
    await file.close();
    const damaged = await openAt(directory);
    const seen: number[] = [];
    const follow = async () => {
      for await (const batch of damaged.subscribe('start', AbortSignal.timeout(5_000))) seen.push(...batch.map(({ commit }) => commit));
    };
    await expect(follow()).rejects.toThrow(/^commit 3: the checksum does not fit the content$/);
    await expect(readAll(damaged, stream)).rejects.toThrow(LogCorrupt);
    expect(seen.every((commit) => commit < 3)).toBe(true);
    // What is whole can still be read.
    expect((await damaged.commitAt(heads[4]!.position))?.commit).toBe(5);
  });

  it('tells nothing any more once it is closed', async () => {
    const log = await openAt(await tempDir('log'));
    const { position } = await log.append(stream, 'no-stream', commitOf('x'));
    await log.close();
    for (const asked of [log.head(stream), log.tail(), log.commitAt(position), readAll(log, stream)])
      await expect(asked).rejects.toThrow(LogUnavailable);
  });

  it.each([1, limits.mainThreadCommitsMin])(
    'a second process that writes the same log is noticed before %d appends do harm',
    async (together) => {
      const directory = await tempDir('log');
      const log = await openAt(directory);
      const head = await log.append(stream, 'no-stream', commitOf('mine'));
      await run(process.execPath, writerArguments(directory, '1', '3'));
      const others = Array.from({ length: together - 1 }, () => commitOf('over theirs'));
      await expect(log.appendAll!(stream, head, [commitOf('over theirs'), ...others])).rejects.toThrow('another process writes');
      await log.close();
      const again = await openAt(directory);
      expect(await readAll(again, 'stream-0' as StreamName)).toHaveLength(3);
      expect(await readAll(again, stream)).toHaveLength(1);
    },
  );
});

describe('the LMDB log beside others', () => {
  it('is followed by a process that only reads', { timeout: 60_000 }, async () => {
    const directory = await tempDir('log');
    await (await openAt(directory)).close();
    const reader = await openAt(directory, { readOnly: true });
    const ending = new AbortController();
    const seen: number[] = [];
    const following = (async () => {
      for await (const batch of reader.subscribe('start', ending.signal)) seen.push(...batch.map(({ commit }) => commit));
    })();
    await expect(reader.append(stream, 'no-stream', commitOf('x'))).rejects.toThrow('read only');
    await run(process.execPath, writerArguments(directory, '4', '25'));
    await eventually(() => seen.length === 100, 'the reader has seen every commit');
    expect(seen).toEqual(Array.from({ length: 100 }, (_, n) => n + 1));
    expect(reader.commitCount).toBe(100);
    expect((await reader.tail())?.position.commit).toBe(100);
    expect(await reader.head('stream-3' as StreamName)).toMatchObject({ version: 24 });
    expect(await readAll(reader, 'stream-3' as StreamName)).toHaveLength(25);
    ending.abort();
    await following;
  });

  it('is copied while it is written, as of one moment', { timeout: 60_000 }, async () => {
    const log = await openAt(await tempDir('log'));
    const copy = await tempDir('copy');
    let stopped = false;
    const write = async (number: number) => {
      let head: ExpectedVersion = 'no-stream';
      while (!stopped) head = await log.append(`s${number}` as StreamName, head, { ...commitOf('x'), events: [noted, noted] });
      return head;
    };
    const writers = Promise.all(Array.from({ length: 16 }, (_, number) => write(number)));
    await eventually(() => log.commitCount > 500, 'something is there to copy');
    const least = log.commitCount;
    await log.backup(join(copy, logFileName));
    const most = log.commitCount;
    stopped = true;
    await writers;
    expect((await stat(join(copy, logFileName))).mode & 0o777).toBe(0o600);
    const restored = await openAt(copy);
    expect([restored.id, restored.namespace]).toEqual([log.id, log.namespace]);
    expect(restored.commitCount).toBeGreaterThanOrEqual(least);
    expect(restored.commitCount).toBeLessThanOrEqual(most);
    const copied = await collect(restored, restored.commitCount);
    expect(copied).toEqual((await collect(log, log.commitCount)).slice(0, copied.length));
    await expect(log.backup(join(copy, logFileName))).rejects.toThrow();
  });
});

const noted = { type: 'CommandNoted' } as const;

function commitOf(text: string): NewCommit {
  return { events: [{ type: 'PostCreated', postId: '01928374-1234-7abc-8def-0123456789ab' as PostId, text }], time: 1_763_700_000_000 };
}

async function readAll(log: EventLog, name: StreamName): Promise<RecordedCommit[]> {
  const commits: RecordedCommit[] = [];
  for await (const batch of log.read(name)) commits.push(...batch);
  return commits;
}

async function collect(log: EventLog, count: number): Promise<RecordedCommit[]> {
  const commits: RecordedCommit[] = [];
  if (count === 0) return commits;
  for await (const batch of log.subscribe('start', AbortSignal.timeout(20_000))) {
    commits.push(...batch);
    if (commits.length >= count) break;
  }
  return commits;
}

import { hash } from 'node:crypto';
import { copyFile, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AppendOutcomeUnknown, LogCorrupt, LogUnavailable } from '../../src/events/event-log.ts';
import type { StreamHead } from '../../src/events/event-log.ts';
import type { PendingCommit } from '../../src/events/group-commit.ts';
import type { LogId, PostId, StreamName } from '../../src/events/ids.ts';
import { frameAlignment } from '../../src/events/journal-format.ts';
import { openJournal, readJournal } from '../../src/events/journal.ts';
import type { Journal } from '../../src/events/journal.ts';
import { createReadingStore, recoverFrom } from '../../src/events/journal-recovery.ts';
import { createJournaledStore } from '../../src/events/journaled-store.ts';
import type { LmdbStore } from '../../src/events/lmdb-store.ts';
import { decodeStored, encodeHead, encodeStored } from '../../src/events/stored-format.ts';
import { headAfter } from '../../src/events/stream-chain.ts';
import { limits } from '../../src/limits.ts';
import { silentLogger } from '../../src/logger.ts';
import { createManualClock } from '../support/manual-clock.ts';
import { tempDir } from '../support/temp-dir.ts';
import { eventually } from '../support/wait-for.ts';

// The journal is a real file; the table behind it is a double, so that its writes can be held, refused, and cut off by a crash at any moment.

const logId = '01928374-0000-7000-8000-000000000001' as LogId;
const stream = 'user-0a0a0a0a-0000-5000-8000-00000000000a' as StreamName;

interface Table {
  readonly store: LmdbStore;
  /** What a crash leaves of it. */
  readonly commits: Uint8Array[];
  /** Until it is released, nothing that is written comes to an end, or is there. */
  hold(): void;
  release(): void;
  /** Of writes, until told otherwise. */
  refuse(error: Error | undefined): void;
}

function createTable(commits: Uint8Array[] = []): Table {
  const heads = new Map<StreamName, StreamHead>();
  let held: { readonly released: Promise<void>; release(): void } | undefined;
  let refusal: Error | undefined;
  let indexed = 0;
  const store: LmdbStore = {
    id: logId,
    namespace: 'n',
    about: { id: logId, namespace: 'n' },
    path: '/data/log/log.mdb',
    last: () => commits.length,
    commit: (number) => commits[number - 1],
    head(name) {
      const head = heads.get(name);
      return head && encodeHead(head);
    },
    indexed: () => indexed,
    async write(group, slice) {
      await held?.released;
      if (refusal) throw refusal;
      const first = group[0]?.recorded.commit ?? commits.length + 1;
      if (first <= commits.length) return false;
      commits.push(...group.map(({ encoded }) => encoded));
      for (const [name, head] of slice?.heads ?? []) heads.set(name, head);
      indexed = slice?.indexed ?? indexed;
      return true;
    },
    writeAbout: () => Promise.resolve(),
    backup: () => Promise.resolve(),
    close: () => Promise.resolve(),
  };
  return {
    store,
    commits,
    hold() {
      let release = () => {};
      const released = new Promise<void>((resolve) => (release = resolve));
      held ??= { released, release };
    },
    release() {
      held?.release();
      held = undefined;
    },
    refuse: (error) => (refusal = error),
  };
}

/** Commits from this number on, one for each size of text. */
function commitsOf(first: number, sizes: readonly number[]): PendingCommit[] {
  return sizes.map((size, index) => {
    const recorded = {
      ...{ commit: first + index, stream, firstVersion: first + index - 1, predecessor: first + index - 1 || null, time: 1 },
      events: [{ type: 'PostCreated', postId: '01928374-1234-7abc-8def-0123456789ab' as PostId, text: 'x'.repeat(size) }] as const,
    };
    const encoded = encodeStored(recorded);
    return { stream, recorded, encoded, bytes: encoded.length, head: headAfter(logId, recorded) };
  });
}

async function start(table: Table, path: string) {
  const clock = createManualClock();
  const journal = await openJournal(path, { logId, clock });
  /** Whoever needs room waits for the table. */
  const releasing = (has: boolean): boolean => (has || table.release(), has);
  const watched: Journal = {
    ...journal,
    holds: (bytes) => releasing(journal.holds(bytes)),
    hasRoom: (bytes) => releasing(journal.hasRoom(bytes)),
  };
  return { clock, journal, store: createJournaledStore(table.store, watched, { clock, logger: silentLogger }) };
}

/** What an opening after a crash finds. */
async function recovered(table: Table, path: string): Promise<Uint8Array[]> {
  const after = createTable([...table.commits]);
  await recoverFrom(readJournal(path, logId), after.store);
  return after.commits;
}

const bytesOf = (commits: readonly PendingCommit[]) => commits.map(({ encoded }) => encoded);
/** To compare by: some are large. */
const digestsOf = (stored: readonly Uint8Array[]) => stored.map((bytes) => hash('sha1', bytes));
const numbersOf = (stored: readonly Uint8Array[]) => stored.map((bytes, index) => decodeStored(index + 1, bytes).commit);

describe('a journaled store', () => {
  it('loses nothing that was answered, whatever is on its way when it crashes, and however often', { timeout: 120_000 }, async () => {
    const half = limits.journalAreaBytes / 2;
    const size = fc.oneof(fc.integer({ min: 0, max: 9_000 }), fc.constantFrom(half / 2, half - 1_000, half, 3 * half));
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.array(size, { minLength: 1, maxLength: 4 }) },
      { weight: 2, arbitrary: fc.constant('rest' as const) },
      { weight: 2, arbitrary: fc.constantFrom('hold' as const, 'release' as const, 'full' as const, 'space' as const) },
      { weight: 1, arbitrary: fc.constantFrom('crash' as const, 'stop' as const) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 30 }), async (steps) => {
        const path = join(await tempDir('journal'), 'journal');
        let table = createTable();
        let running = await start(table, path);
        const answered: PendingCommit[] = [];
        for (const what of [...steps, 'crash' as const]) {
          if (what === 'rest') await running.clock.advance(limits.journalRestMs);
          else if (what === 'hold') table.hold();
          else if (what === 'release') table.release();
          else if (what === 'full') table.refuse(new LogUnavailable('no space left'));
          else if (what === 'space') table.refuse(undefined);
          else if (what === 'stop') {
            table.release();
            await running.store.close();
            table = createTable(await recovered(table, path));
            running = await start(table, path);
          } else if (what === 'crash') {
            // What the table was writing just now is not there; nor is what waited for it.
            const left = await recovered(table, path);
            expect(digestsOf(left)).toEqual(digestsOf(bytesOf(answered)));
            expect(numbersOf(left)).toEqual(answered.map(({ recorded }) => recorded.commit));
            await running.journal.close();
            table = createTable(left);
            running = await start(table, path);
          } else {
            const group = commitsOf(answered.length + 1, what);
            await running.store.write(group, undefined).then(
              (written) => {
                expect(written).toBe(true);
                answered.push(...group);
              },
              (error: unknown) => expect(error).toBeInstanceOf(LogUnavailable),
            );
            expect(running.store.last()).toBe(answered.length);
          }
          for (const { recorded, encoded } of answered.slice(-6))
            expect(encoded.equals(running.store.commit(recorded.commit) ?? Buffer.alloc(0))).toBe(true);
        }
        await running.journal.close();
      }),
      { numRuns: 25 },
    );
  });

  it('puts commits and ends of streams in their place together, after a rest, and reads them from memory until then', async () => {
    const table = createTable();
    const { clock, store } = await start(table, join(await tempDir('journal'), 'journal'));
    const group = commitsOf(1, [10, 20]);
    await store.write(group.slice(0, 1), { heads: [[stream, group[0]!.head]], indexed: undefined });
    await store.write(group.slice(1), { heads: [[stream, group[1]!.head]], indexed: 2 });
    expect(table.commits).toEqual([]);
    expect([store.last(), store.indexed()]).toEqual([2, 2]);
    expect(store.head(stream)).toEqual(encodeHead(group[1]!.head));
    table.hold();
    await clock.advance(limits.journalRestMs);
    expect([store.last(), store.indexed(), store.head(stream)]).toEqual([2, 2, encodeHead(group[1]!.head)]);
    expect(store.commit(2)).toEqual(group[1]!.encoded);
    table.release();
    await clock.advance(0);
    expect(table.commits).toEqual(bytesOf(group));
    expect([table.store.indexed(), table.store.head(stream)]).toEqual([2, encodeHead(group[1]!.head)]);
    expect([store.last(), store.indexed(), store.head(stream)]).toEqual([2, 2, encodeHead(group[1]!.head)]);
    await store.close();
  });

  it('keeps an append that is on its way together with the area in which it will stand', async () => {
    const path = join(await tempDir('journal'), 'journal');
    const table = createTable();
    const clock = createManualClock();
    const journal = await openJournal(path, { logId, clock });
    let reached = Promise.resolve();
    const slow: Journal = { ...journal, append: async (commits) => void (await Promise.all([journal.append(commits), reached])) };
    const store = createJournaledStore(table.store, slow, { clock, logger: silentLogger });
    const all = commitsOf(1, [10, 10, 10, 10]);
    const write = (number: number) => store.write(all.slice(number - 1, number), undefined);
    await write(1);
    let arrive = () => {};
    reached = new Promise((resolve) => (arrive = resolve));
    const second = write(2);
    await clock.advance(limits.journalRestMs);
    arrive();
    await second;
    // The other area now, and once more the first one, while what is in the other is on its way.
    await write(3);
    table.hold();
    await clock.advance(limits.journalRestMs);
    await write(4);
    expect(digestsOf(await recovered(table, path))).toEqual(digestsOf(bytesOf(all)));
    table.release();
    await clock.advance(2 * limits.journalRestMs);
    expect(table.commits).toHaveLength(4);
    await store.close();
  });

  it('takes what two areas hold while the table takes nothing, then refuses, and goes on where there is space', async () => {
    const table = createTable();
    const { clock, store } = await start(table, join(await tempDir('journal'), 'journal'));
    table.refuse(new LogUnavailable('no space left'));
    let count = 0;
    const write = () => store.write(commitsOf(count + 1, [100_000]), undefined);
    const fill = async () => {
      for (;;) if (await write()) count += 1;
    };
    await expect(fill()).rejects.toThrow('no space left');
    expect(count).toBeGreaterThan((2 * limits.journalAreaBytes) / 110_000);
    expect(count).toBeLessThanOrEqual((2 * limits.journalAreaBytes) / 100_000);
    await expect(write()).rejects.toThrow(LogUnavailable);
    expect([store.last(), table.commits]).toEqual([count, []]);
    table.refuse(undefined);
    expect(await write()).toBe(true);
    count += 1;
    await clock.advance(limits.journalRetryMs);
    expect(table.commits).toHaveLength(count);
    // Both areas at the end as well.
    table.refuse(new LogUnavailable('no space left'));
    const before = table.commits.length;
    await expect(fill()).rejects.toThrow('no space left');
    table.refuse(undefined);
    await store.close();
    expect(table.commits).toHaveLength(count);
    expect(count).toBeGreaterThan(before + limits.journalAreaBytes / 100_000);
  });

  it('writes nothing more once it is not known what the table holds; the next opening finds all of it', async () => {
    const path = join(await tempDir('journal'), 'journal');
    const table = createTable();
    const failing: LmdbStore = {
      ...table.store,
      write: async (...what) => {
        await table.store.write(...what);
        throw new AppendOutcomeUnknown('input/output error');
      },
    };
    const { clock, store } = await start({ ...table, store: failing }, path);
    await store.write(commitsOf(1, [10]), undefined);
    await clock.advance(limits.journalRestMs);
    await expect(store.write(commitsOf(2, [10]), undefined)).rejects.toThrow(AppendOutcomeUnknown);
    await expect(store.backup('/backup')).rejects.toThrow(AppendOutcomeUnknown);
    await store.close();
    expect(await recovered(table, path)).toEqual(bytesOf(commitsOf(1, [10])));
  });

  it('tries again what the table failed to write, when it is not there', async () => {
    const table = createTable();
    const { clock, store } = await start(table, join(await tempDir('journal'), 'journal'));
    await store.write(commitsOf(1, [10]), undefined);
    table.refuse(new AppendOutcomeUnknown('input/output error'));
    await clock.advance(limits.journalRestMs);
    expect(await store.write(commitsOf(2, [10]), undefined)).toBe(true);
    await expect(store.backup('/backup')).rejects.toThrow(LogUnavailable);
    table.refuse(undefined);
    await clock.advance(limits.journalRetryMs + limits.journalRestMs);
    expect(table.commits).toHaveLength(2);
    await store.close();
  });

  it('does not say what a journal could not write', async () => {
    const failing: Journal = {
      holds: () => true,
      hasRoom: () => true,
      append: () => Promise.reject(new AppendOutcomeUnknown('input/output error')),
      turn: () => {},
      close: () => Promise.resolve(),
    };
    const store = createJournaledStore(createTable().store, failing, { clock: createManualClock(), logger: silentLogger });
    await expect(store.write(commitsOf(1, [10]), undefined)).rejects.toThrow(AppendOutcomeUnknown);
    expect(store.last()).toBe(0);
  });

  it('makes a backup of what was answered before, while others go on writing', async () => {
    const table = createTable();
    // Each write of the table takes until one more commit is answered, so that there is always something that waits.
    let answeredOne = () => {};
    const busy: LmdbStore = {
      ...table.store,
      write: async (...what) => {
        await new Promise<void>((resolve) => (answeredOne = resolve));
        return table.store.write(...what);
      },
    };
    let copied = 0;
    busy.backup = () => Promise.resolve(void (copied = table.commits.length));
    const { store } = await start({ ...table, store: busy }, join(await tempDir('journal'), 'journal'));
    await store.write(commitsOf(1, [10, 10]), undefined);
    const backup = store.backup('/backup');
    for (let number = 3; copied === 0; number += 1) {
      await store.write(commitsOf(number, [10]), undefined);
      answeredOne();
      expect(number).toBeLessThan(50);
    }
    await backup;
    expect(copied).toBeGreaterThanOrEqual(2);
    const closed = store.close();
    await eventually(() => (answeredOne(), table.commits.length === store.last()), 'all is in its place');
    await closed;
  });

  it('puts all in its place before a backup, and at its end', async () => {
    const table = createTable();
    const { store } = await start(table, join(await tempDir('journal'), 'journal'));
    await store.write(commitsOf(1, [10]), undefined);
    await store.backup('/backup');
    expect(table.commits).toHaveLength(1);
    await store.write(commitsOf(2, [10, 10]), undefined);
    await store.close();
    expect(table.commits).toHaveLength(3);
  });
});

describe('a write of the journal that a power cut ends', () => {
  it('is there whole or not at all, whichever of its pages are on disk', async () => {
    const page = frameAlignment;
    const path = join(await tempDir('journal'), 'journal');
    const group = fc.array(fc.integer({ min: 0, max: 9_000 }), { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(group, { minLength: 1, maxLength: 4 }),
        group,
        fc.infiniteStream(fc.boolean()),
        async (before, last, pages) => {
          const journal = await openJournal(path, { logId, clock: createManualClock() });
          const append = (commits: readonly PendingCommit[]) =>
            journal.append({ first: commits[0]!.recorded.commit, stored: bytesOf(commits) });
          const answered: PendingCommit[] = [];
          for (const sizes of before) {
            const commits = commitsOf(answered.length + 1, sizes);
            await append(commits);
            answered.push(...commits);
          }
          const then = await readFile(path);
          const commits = commitsOf(answered.length + 1, last);
          await append(commits);
          const after = await readFile(path);
          await journal.close();
          let whole = true;
          for (let at = 0; at < after.length; at += page) {
            const [old, written] = [then.subarray(at, at + page), after.subarray(at, at + page)];
            if (old.equals(written) || pages.next().value) continue;
            old.copy(written);
            whole = false;
          }
          await writeFile(path, after);
          const found = await recovered(createTable(), path);
          expect(digestsOf(found)).toEqual(digestsOf(bytesOf(whole ? [...answered, ...commits] : answered)));
        },
      ),
      { numRuns: 50 },
    );
  });
});

describe('a journal that is found', () => {
  it('needs no room any more once it is open, whatever holes a copy of it has', async () => {
    const path = join(await tempDir('journal'), 'journal');
    await writeFile(path, '');
    await truncate(path, 2 * limits.journalAreaBytes);
    expect((await stat(path)).blocks).toBe(0);
    await (await openJournal(path, { logId, clock: createManualClock() })).close();
    expect((await stat(path)).blocks * 512).toBeGreaterThanOrEqual(2 * limits.journalAreaBytes);
  });

  const found = async (write: (journal: Journal) => Promise<void>): Promise<string> => {
    const path = join(await tempDir('journal'), 'journal');
    const journal = await openJournal(path, { logId, clock: createManualClock() });
    await write(journal);
    await journal.close();
    return path;
  };
  const append = (journal: Journal, commits: readonly PendingCommit[]) =>
    journal.append({ first: commits[0]!.recorded.commit, stored: bytesOf(commits) });

  it('beside a file that ends before it begins says that commits are missing', async () => {
    const path = await found((journal) => append(journal, commitsOf(4, [10])));
    const table = createTable(bytesOf(commitsOf(1, [10, 10])));
    await expect(recovered(table, path)).rejects.toThrow(LogCorrupt);
    await expect(recovered(table, path)).rejects.toThrow('goes on with commit 4, but commit 3 is missing');
  });

  it('adds nothing to a file that has it all', async () => {
    const path = await found((journal) => append(journal, commitsOf(1, [10, 10])));
    const table = createTable(bytesOf(commitsOf(1, [10, 10, 10])));
    expect(await recovered(table, path)).toHaveLength(3);
  });

  it('is read again when a write came between its two parts, and believed in the end', () => {
    const table = createTable(bytesOf(commitsOf(1, [10])));
    const [first, second] = commitsOf(2, [10, 10]).map(({ recorded, encoded }) => ({ first: recorded.commit, stored: [encoded] }));
    let reads = 0;
    const reading = createReadingStore(table.store, () => ((reads += 1) % 3 === 0 ? [first!, second!] : [second!]));
    expect([reading.last(), reads]).toEqual([3, 6]);
    expect(() => createReadingStore(table.store, () => [second!])).toThrow('commit 2 is missing');
  });

  it('is read in both its areas, by who only reads as well', async () => {
    const path = await found(async (journal) => {
      await append(journal, commitsOf(1, [10]));
      journal.turn();
      await append(journal, commitsOf(2, [10, 10]));
    });
    const copy = `${path}.copy`;
    await copyFile(path, copy);
    const all = bytesOf(commitsOf(1, [10, 10, 10]));
    for (const standing of [0, 1, 2, 3]) {
      const table = createTable(all.slice(0, standing));
      expect(await recovered(table, copy)).toEqual(all);
      const reading = createReadingStore(table.store, () => readJournal(copy, logId));
      expect(reading.last()).toBe(3);
      expect([1, 2, 3].map((number) => reading.commit(number))).toEqual(all);
    }
    expect(readJournal(join(path, '..', 'missing'), logId)).toEqual([]);
  });
});

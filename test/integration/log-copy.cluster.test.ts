import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { compareLogs } from '../../src/cli/copy/compare-logs.ts';
import { copyLog } from '../../src/cli/copy/copy-log.ts';
import { formatLogAddress, parseLogAddress } from '../../src/cli/copy/log-address.ts';
import { readCommits } from '../../src/cli/copy/read-commits.ts';
import type { JobContext } from '../../src/cli/control-server.ts';
import { systemClock } from '../../src/clock.ts';
import { readConfig } from '../../src/config.ts';
import { openEventStoreDbImport, openEventStoreDbLog } from '../../src/events/esdb-log.ts';
import { LogCorrupt, LogUnavailable } from '../../src/events/event-log.ts';
import type { EventLog, RecordedCommit } from '../../src/events/event-log.ts';
import type { CommandId, UserId } from '../../src/events/ids.ts';
import { userStreamOf } from '../../src/events/ids.ts';
import { openJetStreamImport } from '../../src/events/jetstream-import.ts';
import { openJetStreamLog } from '../../src/events/jetstream-log.ts';
import { openLmdbImport, openLmdbLog } from '../../src/events/lmdb-log.ts';
import type { CopiedLog } from '../../src/events/log-import.ts';
import { createMemoryLog } from '../../src/events/memory-log.ts';
import { silentLogger } from '../../src/logger.ts';
import { seededRandom, systemRandom } from '../../src/random.ts';
import { startEsdbDouble } from '../support/esdb-protocol-double/server.ts';
import { forgeLog } from '../support/forged-log.ts';
import { startNatsServer } from '../support/nats-server.ts';
import { tempDir } from '../support/temp-dir.ts';
import { createWriter, postIdOf } from './projections/writer.ts';

const ports = { random: systemRandom, logger: silentLogger };
const quiet: JobContext = { signal: new AbortController().signal, report: () => undefined };

const opened: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const each of opened.splice(0)) await each.close();
});
async function open(directory: string, options: { readOnly?: boolean } = {}) {
  const log = await openLmdbLog({ directory, ...ports, ...options });
  opened.push(log);
  return log;
}

/** Users who follow and post, with commits of one and of several events, with commands and without, in two streams of the system too. */
async function fill(log: EventLog, users: number, commits: number): Promise<void> {
  const writer = createWriter(log);
  await writer.startRun(1, 1_700_000_000_000);
  for (let user = 0; user < users; user += 1) await writer.register(user);
  const heads = new Map<UserId, Awaited<ReturnType<EventLog['append']>>>();
  for (let number = 0; number < commits; number += users) {
    await Promise.all(
      Array.from({ length: Math.min(users, commits - number) }, async (_, user) => {
        const id = writer.userId(user);
        const stream = userStreamOf(id);
        const head = heads.get(id) ?? (await log.head(stream));
        const post = { type: 'PostCreated', postId: postIdOf(number + user), text: `größer 🐦 ${number}` } as const;
        const next = await log.append(stream, head, {
          time: 1_700_000_100_000 + number,
          events: number % 3 === 0 ? [post, { type: 'CommandNoted' }] : [post],
          ...(number % 2 === 0 && { metadata: { commandId: `c ${number}` as CommandId, fingerprint: 'print' } }),
        });
        heads.set(id, next);
      }),
    );
  }
}

async function allOf(log: EventLog): Promise<RecordedCommit[]> {
  const all: RecordedCommit[] = [];
  for await (const batch of readCommits(log, 'start', (await log.tail())?.position.commit ?? 0, quiet.signal)) all.push(...batch);
  return all;
}

async function copy(source: EventLog, directory: string, context = quiet, dense = true) {
  const target = await openLmdbImport({ directory, source: { id: source.id, namespace: source.namespace, dense }, ...ports });
  try {
    return await copyLog(source, target, context);
  } finally {
    await target.close();
  }
}

describe('a copy of an embedded log', () => {
  test('has the id, the name space, and every commit where it was', async () => {
    const [from, to] = [await tempDir('from'), await tempDir('to')];
    const writing = await open(from);
    await fill(writing, 50, 3_000);
    // Beside the process that writes it.
    const source = await open(from, { readOnly: true });
    expect(await copy(source, to)).toMatchObject({ copied: 3_051, commits: 3_051 });
    const log = await open(to);
    expect([log.id, log.namespace]).toEqual([source.id, source.namespace]);
    expect(await allOf(log)).toEqual(await allOf(source));
    expect(await compareLogs(source, log, (await source.tail())?.position, quiet)).toMatchObject({
      commits: 3_051,
      different: 0,
      missing: 0,
      added: 0,
    });
    // It is a log like any other: streams end where they did, and go on.
    const stream = userStreamOf(createWriter(source).userId(7));
    const head = await log.head(stream);
    expect(head).toEqual(await source.head(stream));
    await log.append(stream, head, { time: 1_800_000_000_000, events: [{ type: 'CommandNoted' }] });
  });

  test('of an empty log is an empty log with its id', async () => {
    const source = await open(await tempDir('from'));
    const to = await tempDir('to');
    expect(await copy(source, to)).toMatchObject({ copied: 0, commits: 0 });
    expect((await open(to)).id).toBe(source.id);
  });

  test('that is not complete is refused as a log, and goes on where it was left', async () => {
    const [from, to] = [await tempDir('from'), await tempDir('to')];
    const source = await open(from);
    await fill(source, 50, 7_000);
    const interrupt = new AbortController();
    const interrupted = copy(source, to, { signal: interrupt.signal, report: () => interrupt.abort(new Error('interrupted')) });
    await expect(interrupted).rejects.toThrow('interrupted');
    const cure = /is a copy of another log that is not complete: run the same "starling log copy" once more/;
    await expect(openLmdbLog({ directory: to, ...ports })).rejects.toThrow(cure);
    await expect(openLmdbLog({ directory: to, ...ports, readOnly: true })).rejects.toThrow(LogUnavailable);
    const resumed = await copy(source, to);
    expect(resumed.commits).toBe(7_051);
    expect(resumed.copied).toBeLessThan(7_051);
    expect(resumed.copied).toBeGreaterThan(0);
    expect(await allOf(await open(to))).toEqual(await allOf(source));
  });

  test('takes up what the source has got since, until it is written to itself', async () => {
    const [from, to] = [await tempDir('from'), await tempDir('to')];
    const source = await open(from);
    const writer = createWriter(source);
    await writer.register(1);
    await copy(source, to);
    await writer.post(1, 1);
    await writer.post(1, 2);
    await expect(copy(breaking(source), to)).rejects.toThrow('broken');
    await expect(openLmdbLog({ directory: to, ...ports })).rejects.toThrow(/that is not complete/);
    await writer.post(1, 3);
    expect(await copy(source, to)).toMatchObject({ copied: 2, commits: 4 });
    expect(await copy(source, to)).toMatchObject({ copied: 0, commits: 4 });

    const log = await openLmdbLog({ directory: to, ...ports });
    const stream = userStreamOf(writer.userId(1));
    await log.append(stream, await log.head(stream), { time: 1_800_000_000_000, events: [{ type: 'CommandNoted' }] });
    const upTo = (await source.tail())?.position;
    expect(await compareLogs(source, log, upTo, quiet)).toMatchObject({ commits: 4, different: 0, missing: 0, added: 1 });
    await log.close();
    await expect(copy(source, to)).rejects.toThrow(/the target has 5 commits, and the last of them is not that of the source/);
    await writer.post(1, 4);
    await expect(copy(source, to)).rejects.toThrow(/the last of them is not that of the source/);
  });

  test('overwrites no other log', async () => {
    const [source, to] = [await open(await tempDir('from')), await tempDir('to')];
    const other = await openLmdbLog({ directory: to, ...ports });
    await createWriter(other).register(1);
    await other.close();
    await expect(copy(source, to)).rejects.toThrow(/holds another event log .*overwrites nothing/);
    const reopened = await open(to);
    expect([reopened.id, reopened.commitCount]).toEqual([other.id, 1]);
  });

  test.each([
    ['version', { firstVersion: 2, predecessor: 1 }, /the chain is broken at commit 2: it has version 2, but version 1 comes next/],
    ['number', { commit: 5 }, /commit 2 is missing from the log: 5 stands in its place/],
    ['predecessor', { predecessor: 0 }, /it follows commit 0, but 1 is the last before it/],
  ])('stops at a broken chain: %s', async (_, broken, message) => {
    const source = createMemoryLog({ random: seededRandom(1) });
    const writer = createWriter(source);
    await writer.register(1);
    await writer.post(1, 1);
    const [first, second] = await allOf(source);
    const filled = await openLmdbImport({ directory: await tempDir('to'), source: { ...identityOf(source), dense: true }, ...ports });
    opened.push(filled);
    await expect(filled.append([first!, { ...second!, ...broken }])).rejects.toThrow(message);
    await expect(filled.append([{ ...second!, ...broken }])).rejects.toThrow(LogCorrupt);
  });
});

describe('a copy of a log whose commits are not numbered one by one', () => {
  test('has an id of its own and numbers them anew; all else is kept', async () => {
    const original = createMemoryLog({ random: seededRandom(1) });
    await fill(original, 20, 5_000);
    const source = spread(original);
    const to = await tempDir('to');
    const interrupt = new AbortController();
    await expect(
      copy(source, to, { signal: interrupt.signal, report: () => interrupt.abort(new Error('interrupted')) }, false),
    ).rejects.toThrow('interrupted');
    expect(await copy(source, to, quiet, false)).toMatchObject({ commits: 5_021 });
    expect(await copy(source, to, quiet, false)).toMatchObject({ copied: 0, commits: 5_021 });
    const log = await open(to);
    expect(log.id).not.toBe(source.id);
    expect(log.namespace).toBe(source.namespace);
    expect(await allOf(log)).toEqual(await allOf(original));
    expect(await compareLogs(source, log, (await source.tail())?.position, quiet)).toMatchObject({
      commits: 5_021,
      different: 0,
      missing: 0,
    });
  });
});

describe('a copy into EventStoreDB, and back', () => {
  const from = { clock: systemClock, ...ports };
  async function place(source: EventLog) {
    const double = await startEsdbDouble();
    onTestFinished(() => double.close());
    const at = { url: double.url, space: 'copy', ...from };
    const into = async (context = quiet, of = source) => {
      const target = await openEventStoreDbImport({ ...at, source: { id: of.id, namespace: of.namespace, dense: true } });
      try {
        return await copyLog(of, target, context);
      } finally {
        await target.close();
      }
    };
    const openCopy = async () => {
      const log = await openEventStoreDbLog({ ...at, existing: true });
      opened.push(log);
      return log;
    };
    return { into, openCopy };
  }

  test('keeps streams, versions, times and the name space, under an id of its own', async () => {
    const source = await open(await tempDir('from'));
    await fill(source, 20, 300);
    const { into, openCopy } = await place(source);
    expect(await into()).toMatchObject({ copied: 321, commits: 321 });
    const copied = await openCopy();
    expect(copied.namespace).toBe(source.namespace);
    expect(copied.id).not.toBe(source.id);
    const upTo = (await source.tail())?.position;
    expect(await compareLogs(source, copied, upTo, quiet)).toMatchObject({ commits: 321, different: 0, missing: 0, added: 0 });

    const back = await tempDir('back');
    expect(await copy(copied, back, quiet, false)).toMatchObject({ copied: 321 });
    const returned = await open(back);
    expect(await allOf(returned)).toEqual(await allOf(source));
    expect([returned.namespace, new Set([source.id, copied.id, returned.id]).size]).toEqual([source.namespace, 3]);
  });

  test('is refused while it is not complete, goes on, and takes up what is new', async () => {
    const source = await open(await tempDir('from'));
    await fill(source, 20, 100);
    const { into, openCopy } = await place(source);
    await expect(openCopy()).rejects.toThrow(/there is no event log in EventStoreDB: it has no stream copy:log/);
    await expect(into(quiet, breaking(source))).rejects.toThrow('broken');
    await expect(openCopy()).rejects.toThrow(/"copy" in EventStoreDB is a copy of another log that is not complete/);
    const resumed = await into();
    expect(resumed.commits).toBe(121);
    expect(resumed.copied).toBeLessThan(121);
    await createWriter(source).register(77);
    await expect(into(quiet, breaking(source))).rejects.toThrow('broken');
    await expect(openCopy()).rejects.toThrow(/that is not complete/);
    expect(await into()).toMatchObject({ copied: 1, commits: 122 });
    const copied = await openCopy();
    expect(await compareLogs(source, copied, (await source.tail())?.position, quiet)).toMatchObject({ commits: 122, different: 0 });
    await createWriter(copied).register(78);
    await expect(into()).rejects.toThrow(/the target has 123 commits, and the last of them is not that of the source/);
    await expect(into(quiet, await open(await tempDir('from')))).rejects.toThrow(/holds another event log .*overwrites nothing/);
  });
});

describe('a copy into JetStream, and back', () => {
  let server: Awaited<ReturnType<typeof startNatsServer>>;
  beforeAll(async () => {
    server = await startNatsServer({ jetStream: true });
  });
  afterAll(() => server.remove());
  const at = (space: string) => ({ servers: [server.url], name: 'copy', space, replicas: 1, clock: systemClock, ...ports });
  const into = async (space: string, source: EventLog, dense = true) => {
    const target = await openJetStreamImport({ ...at(space), source: { id: source.id, namespace: source.namespace, dense } });
    try {
      return await copyLog(source, target, quiet);
    } finally {
      await target.close();
    }
  };
  const openCopy = async (space: string) => {
    const log = await openJetStreamLog({ ...at(space), existing: true });
    opened.push(log);
    return log;
  };

  test('has the id, the name space, and every commit where it was', async () => {
    const source = await open(await tempDir('from'));
    await fill(source, 20, 500);
    expect(await into('whole', source)).toMatchObject({ copied: 521, commits: 521 });
    const copied = await openCopy('whole');
    expect([copied.id, copied.namespace]).toEqual([source.id, source.namespace]);
    expect(await allOf(copied)).toEqual(await allOf(source));
    const stream = userStreamOf(createWriter(source).userId(7));
    expect(await copied.head(stream)).toEqual(await source.head(stream));

    const back = await tempDir('back');
    expect(await copy(copied, back)).toMatchObject({ copied: 521 });
    const returned = await open(back);
    expect(returned.id).toBe(source.id);
    expect(await compareLogs(copied, returned, (await source.tail())?.position, quiet)).toMatchObject({
      commits: 521,
      different: 0,
      missing: 0,
    });
  });

  test('is refused while it is not complete, goes on, and takes up what is new', async () => {
    const source = await open(await tempDir('from'));
    await fill(source, 20, 100);
    await expect(openCopy('part')).rejects.toThrow(/there is no event log in JetStream: it has no stream STARLING_part/);
    await expect(into('part', breaking(source))).rejects.toThrow('broken');
    const unfinished = /the space "part" in JetStream is a copy of another log that is not complete/;
    await expect(openCopy('part')).rejects.toThrow(unfinished);
    await expect(openJetStreamLog(at('part'))).rejects.toThrow(unfinished);
    const resumed = await into('part', source);
    expect([resumed.copied < 121, resumed.commits]).toEqual([true, 121]);
    await createWriter(source).register(77);
    await expect(into('part', breaking(source))).rejects.toThrow('broken');
    await expect(openCopy('part')).rejects.toThrow(unfinished);
    expect(await into('part', source)).toMatchObject({ copied: 1, commits: 122 });
    const copied = await openCopy('part');
    expect(await compareLogs(source, copied, (await source.tail())?.position, quiet)).toMatchObject({ commits: 122, different: 0 });
    await createWriter(copied).register(78);
    await expect(into('part', source)).rejects.toThrow(/the target has 123 commits, and the last of them is not that of the source/);
    await expect(into('part', await open(await tempDir('from')))).rejects.toThrow(/holds another event log .*overwrites nothing/);
  });

  test('stops where somebody else writes as well, and no position moves in silence', async () => {
    const source = await open(await tempDir('from'));
    await fill(source, 5, 20);
    const target = await openJetStreamImport({ ...at('crowded'), source: { id: source.id, namespace: source.namespace, dense: true } });
    opened.push(target);
    const all = await allOf(source);
    await target.append(all.slice(0, 3));
    const other = await openJetStreamImport({ ...at('crowded'), source: { id: source.id, namespace: source.namespace, dense: true } });
    opened.push(other);
    await other.append(all.slice(3, 4));
    await expect(target.append(all.slice(4, 5))).rejects.toThrow(/commit 4 is missing from the log: 5 stands in its place/);
    await expect(target.append(all.slice(3, 4))).rejects.toThrow(/another writer appended first/);
  });

  test('of a log whose commits are not numbered one by one has an id of its own', async () => {
    const original = createMemoryLog({ random: seededRandom(1) });
    await fill(original, 5, 50);
    const source = spread(original);
    expect(await into('spread', source, false)).toMatchObject({ copied: 56 });
    expect(await into('spread', source, false)).toMatchObject({ copied: 0, commits: 56 });
    const copied = await openCopy('spread');
    expect(copied.id).not.toBe(source.id);
    expect(await allOf(copied)).toEqual(await allOf(original));
  });
});

describe('an address of a log', () => {
  const config = { ...readConfig({}, {}), eventStoreDbUrl: 'esdb://u:secret@h:2113' };
  test('names a data directory or a space, and shows no password', () => {
    expect(parseLogAddress('/d/x', config)).toEqual({ engine: 'lmdb', directory: '/d/x' });
    expect(parseLogAddress('lmdb:/d/x', config)).toEqual({ engine: 'lmdb', directory: '/d/x' });
    const address = parseLogAddress('eventstoredb:town', config);
    expect(address).toEqual({ engine: 'eventstoredb', space: 'town', url: config.eventStoreDbUrl });
    expect(formatLogAddress(address)).toBe('eventstoredb:town');
    expect(() => parseLogAddress('eventstoredb:town', { ...config, eventStoreDbUrl: undefined })).toThrow(/needs EVENTSTOREDB_URL/);
    const town = parseLogAddress('jetstream:town', { ...config, natsUrl: ['nats://u:secret@h:4222'], logReplicas: 3 });
    expect(town).toMatchObject({ engine: 'jetstream', space: 'town', replicas: 3 });
    expect(formatLogAddress(town)).toBe('jetstream:town');
    expect(() => parseLogAddress('jetstream:town', config)).toThrow(/needs NATS_URL/);
    expect(() => parseLogAddress('kafka:x', config)).toThrow(/"kafka:" is no event log: lmdb:DIRECTORY/);
    expect(() => parseLogAddress('lmdb:', config)).toThrow(/"lmdb:" is no address/);
  });
});

describe('a comparison of two logs', () => {
  const changes: readonly (readonly [string, (commit: RecordedCommit) => RecordedCommit, RegExp])[] = [
    [
      'the time',
      (commit) => ({ ...commit, time: commit.time + 1 }),
      /commit 2 \(user-.*, version 1\): the time is \d+ in FROM and \d+ in TO/,
    ],
    ['the stream', (commit) => ({ ...commit, stream: userStreamOf('x' as UserId) }), /the stream is user-.* in FROM and user-x in TO/],
    ['the version', (commit) => ({ ...commit, firstVersion: 7 }), /the version is 1 in FROM and 7 in TO/],
    ['the chain', (commit) => ({ ...commit, predecessor: 0 }), /the predecessor is 1 in FROM and 0 in TO/],
    [
      'the metadata',
      (commit) => ({ ...commit, metadata: { commandId: 'x' as CommandId, fingerprint: '' } }),
      /metadata of the command differs/,
    ],
    [
      'the type',
      (commit) => ({ ...commit, events: [{ type: 'CommandNoted' }] }),
      /the type of event 0 is PostCreated in FROM and CommandNoted/,
    ],
    [
      'the content',
      (commit) => ({ ...commit, events: [{ type: 'PostCreated', postId: postIdOf(1), text: 'secret' }] }),
      /the content of event 0 \(PostCreated\) differs/,
    ],
    [
      'the events',
      (commit) => ({ ...commit, events: [...commit.events, { type: 'CommandNoted' }] }),
      /number of events is 1 in FROM and 2/,
    ],
  ];
  test.each(changes)('finds a difference of %s, and says where', async (_, change, message) => {
    const source = await open(await tempDir('from'));
    const writer = createWriter(source);
    await writer.register(1);
    await writer.post(1, 1, 'secret text');
    await writer.register(2);
    const [first, second, third] = await allOf(source);
    const target = await forgeLog(source, [first!, change(second!), third!]);
    const found = await compareLogs(source, target, (await source.tail())?.position, quiet);
    expect(found).toMatchObject({ commits: 3, different: 1, missing: 0, first: expect.stringMatching(message) });
    expect(found.first).not.toContain('secret');
  });

  test('counts what is missing at the end', async () => {
    const source = await open(await tempDir('from'));
    const writer = createWriter(source);
    for (let user = 1; user <= 5; user += 1) await writer.register(user);
    const target = await forgeLog(source, (await allOf(source)).slice(0, 2));
    expect(await compareLogs(source, target, (await source.tail())?.position, quiet)).toMatchObject({
      commits: 2,
      different: 0,
      missing: 3,
      first: expect.stringMatching(/^commit 3 \(user-.*, version 0\): missing in TO$/),
    });
  });
});

function identityOf({ id, namespace }: EventLog): Omit<CopiedLog, 'dense'> {
  return { id, namespace };
}

/** The same log, whose subscription breaks in its first batch, before its last commit. */
function breaking(log: EventLog): EventLog {
  return {
    ...log,
    async *subscribe(after, signal) {
      for await (const batch of log.subscribe(after, signal)) {
        if (batch.length > 1) yield batch.slice(0, -1);
        throw new Error('broken');
      }
    },
  };
}

/** The same log, with numbers of commits as an engine gives them that counts bytes. */
function spread(log: EventLog): EventLog {
  const far = (commit: number) => commit * 1_000 + 7;
  const moved = (commit: RecordedCommit): RecordedCommit => ({
    ...commit,
    commit: far(commit.commit),
    predecessor: commit.predecessor === null ? null : far(commit.predecessor),
  });
  return {
    ...log,
    async tail() {
      const tail = await log.tail();
      return tail && { ...tail, position: { ...tail.position, commit: far(tail.position.commit) } };
    },
    async *subscribe(after, signal) {
      const from = after === 'start' ? 'start' : { ...after, commit: (after.commit - 7) / 1_000 };
      for await (const batch of log.subscribe(from, signal)) yield batch.map(moved);
    },
  };
}

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { JobContext } from '../../src/cli/control-server.ts';
import { compareTimelines } from '../../src/cli/verify/compare-timelines.ts';
import { createFindings, faultKinds } from '../../src/cli/verify/findings.ts';
import type { FaultKind, Report } from '../../src/cli/verify/findings.ts';
import { createNetworkModel } from '../../src/cli/verify/network-model.ts';
import { readCommandRecords, readPushRecords } from '../../src/cli/verify/records.ts';
import type { CommandRecord, PushRecord } from '../../src/cli/verify/records.ts';
import { verifySystem } from '../../src/cli/verify/verify-system.ts';
import type { EventLog, RecordedCommit } from '../../src/events/event-log.ts';
import type { CommandId } from '../../src/events/ids.ts';
import { userStreamOf } from '../../src/events/ids.ts';
import { createMemoryLog } from '../../src/events/memory-log.ts';
import { formatPosition } from '../../src/events/position.ts';
import type { Position } from '../../src/events/position.ts';
import { headAfter } from '../../src/events/stream-chain.ts';
import type { Database } from '../../src/projections/database.ts';
import { seededRandom } from '../../src/random.ts';
import { forgeLog } from '../support/forged-log.ts';
import { tempDir } from '../support/temp-dir.ts';
import { usePostgres } from './projections/setup.ts';
import { createWriter, handleOf, postIdOf, runIdOf } from './projections/writer.ts';
import type { Writer } from './projections/writer.ts';

const postgres = usePostgres();
const quiet: JobContext = { signal: new AbortController().signal, report: () => undefined };
const sample = { users: 100, seed: 1 };

const verify = (log: EventLog, database?: Database, options: object = {}) => verifySystem({ log, database }, { sample, ...options }, quiet);

/** Counts that are not 0. */
function faultsOf(report: Report): Partial<Record<FaultKind, number>> {
  return Object.fromEntries(report.faults.filter(({ count }) => count > 0).map(({ kind, count }) => [kind, count]));
}

/** Ten users; everybody follows 0, and 1 follows 2; each has posted three times, and deleted the last; a run counts it all. */
async function smallNetwork(log: EventLog = createMemoryLog({ random: seededRandom(1) })): Promise<{ writer: Writer; last: Position }> {
  const writer = createWriter(log);
  await writer.startRun(1, 1_700_000_000_000);
  for (let user = 0; user < 10; user += 1) await writer.register(user);
  for (let user = 1; user < 10; user += 1) await writer.follow(user, 0);
  await writer.follow(1, 2);
  await writer.follow(1, 3);
  await writer.unfollow(1, 3);
  for (let post = 0; post < 30; post += 1) await writer.post(post % 10, post);
  for (let user = 0; user < 10; user += 1) await writer.remove(user, 20 + user);
  return { writer, last: (await log.tail())!.position };
}

async function commitsOf(log: EventLog): Promise<RecordedCommit[]> {
  const count = (await log.tail())!.position.commit;
  return Promise.all(Array.from({ length: count }, async (_, at) => (await log.commitAt({ logId: log.id, commit: at + 1, index: 0 }))!));
}

describe('a sound system', () => {
  test('is all zeros, and everything was looked at', async () => {
    const { writer, last } = await smallNetwork();
    const projected = await postgres.project(writer.log);
    await projected.reach(last);
    const report = await verify(writer.log, projected.database, { answers: [], subscribers: [] });
    expect(faultsOf(report)).toEqual({});
    expect(report.sound).toBe(true);
    expect(report.faults.map(({ kind }) => kind)).toEqual(Object.keys(faultKinds));
    expect(report.looked).toMatchObject({
      log: { commits: 63, events: 63, streams: 11 },
      'read models': { users: 10, follows: 10, posts: 20 },
      'home timelines': { users: 10, entries: 20 + 18 + 2 },
    });
  });

  test('may go on meanwhile: the read models are compared where they stand', async () => {
    const { writer, last } = await smallNetwork();
    const projected = await postgres.project(writer.log);
    await projected.reach(last);
    for (const running of projected.running) await running.stop();
    await writer.post(3, 77);
    await writer.unfollow(1, 2);
    const report = await verify(writer.log, projected.database);
    expect(faultsOf(report)).toEqual({});
    expect(report.looked).toMatchObject({ log: { commits: 65 }, 'read models': { 'network at commit': 63, follows: 10 } });
  });
});

test('all read models are looked at as of one moment', async () => {
  const { writer, last } = await smallNetwork();
  const { database, reach } = await postgres.project(writer.log);
  await reach(last);
  // In the middle of it everything goes.
  const meanwhile: Database = {
    ...database,
    transaction: (settings, work) =>
      database.transaction(settings, (session) =>
        work({
          async query(statement) {
            if (statement.text.includes('from network.follows')) await database.query({ text: 'delete from network.posts' });
            return session.query(statement);
          },
        }),
      ),
  };
  expect(faultsOf(await verify(writer.log, meanwhile))).toEqual({});
  expect(faultsOf(await verify(writer.log, database))).toMatchObject({ posts: 20 });
});

describe('read models', () => {
  const faults: readonly (readonly [string, Partial<Record<FaultKind, number>>])[] = [
    ['delete from network.users where handle = $9', { users: 1, entriesMissing: 2 }],
    [`update network.users set handle = 'somebody' where handle = $9`, { users: 1 }],
    [`update network.users set name = 'somebody' where handle = $9`, { users: 1 }],
    ['update network.users set created_at = created_at + 1 where handle = $9', { users: 1 }],
    ['update network.users set post_count = 5, follower_count = 5 where handle = $9', { counts: 2 }],
    [
      `insert into network.users select '00000000-0000-4000-8000-000000000001', 7, created_at, 0, 0, 0, 'nobody', '', '', '' from network.users where handle = $9`,
      { users: 1 },
    ],
    ['delete from network.follows where follower = (select id from network.users where handle = $9)', { follows: 1, entriesMissing: 2 }],
    [
      'insert into network.follows select a.id, b.id, 7, 7 from network.users a, network.users b where a.handle = $9 and b.handle = $8',
      { follows: 1, entriesForeign: 2 },
    ],
    ['update network.follows set followed_at = 7 where follower = (select id from network.users where handle = $9)', { follows: 1 }],
    // Of user 9 nobody but 9 has them.
    [`delete from network.posts where author_id = (select id from network.users where handle = $9)`, { posts: 2, entriesMissing: 2 }],
    [`update network.posts set text = text || '!' where author_id = (select id from network.users where handle = $9)`, { posts: 2 }],
    ['update network.posts set created_at = 7 where author_id = (select id from network.users where handle = $9)', { posts: 2 }],
    [
      `insert into network.posts select gen_random_uuid(), id, 7, 7, null, '' from network.users where handle = $9`,
      { posts: 1, entriesForeign: 1 },
    ],
    [
      `update network.posts set author_id = (select id from network.users where handle = $8) where author_id = (select id from network.users where handle = $9)`,
      { posts: 2, entriesMissing: 2, entriesForeign: 2 },
    ],
    [
      `alter table network.posts drop constraint posts_pkey; drop index network.posts_by_place;
       insert into network.posts select * from network.posts where author_id = (select id from network.users where handle = $9)`,
      { posts: 2, entriesDoubled: 2 * 4 - 2 },
    ],
    [`update statistics.types set amount = amount + 1 where type = 'PostCreated'`, { statistics: 1 }],
    [`delete from statistics.types where type = 'PostCreated'`, { statistics: 1 }],
    [`update statistics.seconds set amount = amount + 1 where type = 'UserRegistered'`, { statistics: 1 }],
    [`update statistics.seconds set second = second + 7 where type = 'PostCreated'`, { statistics: 1 }],
    [`insert into statistics.seconds select run_id, 1, 'Other', 1, 1 from statistics.types limit 1`, { statistics: 1 }],
    [`update statistics.types set peak = peak + 1 where type = 'PostCreated'`, { statistics: 1 }],
    ['update statistics.runs set ended_at = 7', { statistics: 1 }],
    ['update statistics.runs set started_at = started_at + 1', { statistics: 1 }],
    ['update statistics.runs set last_event_at = last_event_at + 1', { statistics: 1 }],
    [`update statistics.runs set label = 'other'`, { statistics: 1 }],
    ['delete from statistics.runs', { statistics: 1 }],
    [`update network.users set bio = 'other' where handle = $9`, { users: 1 }],
    [
      `insert into network.posts select '00000000-0000-0000-0000-000000000000', id, 7, 7, null, '' from network.users where handle = $9`,
      { posts: 1, entriesForeign: 1 },
    ],
    [`update starling.checkpoints set place = place + 1024 where projection = 'network'`, { beyondLog: 1 }],
    [`delete from starling.checkpoints where projection = 'network'`, { noCheckpoint: 1 }],
    ['delete from starling.checkpoints', { noCheckpoint: 2 }],
  ];
  test.each(faults)('%s', async (sql, expected) => {
    const { writer, last } = await smallNetwork();
    const { database, reach, running } = await postgres.project(writer.log);
    await reach(last);
    for (const each of running) await each.stop();
    await database.query({ text: sql.replaceAll('$9', `'${handleOf(9)}'`).replaceAll('$8', `'${handleOf(8)}'`) });
    const report = await verify(writer.log, database);
    expect(report.sound).toBe(false);
    expect(faultsOf(report)).toEqual(expected);
  });

  test('of another log are refused', async () => {
    const { writer, last } = await smallNetwork();
    const { database, reach } = await postgres.project(writer.log);
    await reach(last);
    await expect(verify((await smallNetwork(createMemoryLog({ random: seededRandom(2) }))).writer.log, database)).rejects.toThrow(
      /holds the read models of the log/,
    );
  });

  test('a timeline that is out of order is noticed', async () => {
    const { writer } = await smallNetwork();
    const findings = createFindings(5);
    const model = createNetworkModel(writer.log.namespace, findings);
    for (const commit of await commitsOf(writer.log)) model.apply(commit);
    const user = model.users.get(writer.userId(0))!;
    const rows = [...user.posts.values()].map(({ id, place }) => ({
      post_id: id,
      place,
      read_at: '1',
      user_id: user.id,
      handle: user.handle,
    }));
    const session = { query: async <Row extends object>() => rows as unknown as Row[] };
    const only = { ...model, users: new Map([[user.id, user]]) };
    await compareTimelines({ session, model: only, findings, logId: writer.log.id, ...quiet }, sample);
    expect(faultsOf(findings.report())).toEqual({ entriesUnordered: 1 });
  });
});

describe('the log', () => {
  /** The commits of a small network, changed, as a log of their own. */
  async function forged(change: (commits: RecordedCommit[], writer: Writer) => RecordedCommit[], damaged: readonly number[] = []) {
    const { writer } = await smallNetwork();
    return forgeLog(writer.log, change(await commitsOf(writer.log), writer), damaged);
  }
  const at = (commits: RecordedCommit[], number: number, change: Partial<RecordedCommit>) =>
    commits.map((commit) => (commit.commit === number ? { ...commit, ...change } : commit));
  // The first post of user 0 is in commit 24, that of user 1 in 25; the next of user 0 in 34.
  const cases: readonly (readonly [string, (commits: RecordedCommit[]) => RecordedCommit[], object, RegExp])[] = [
    [
      'a gap',
      (commits) => at(commits, 34, { firstVersion: 3 }),
      { brokenChains: 1, outOfOrder: 1 },
      /commit 34 \(user-.*, version 3\): version 2 comes next/,
    ],
    [
      'a broken link',
      (commits) => at(commits, 34, { predecessor: 7 }),
      { brokenChains: 1 },
      /commit 34 .*: follows commit 7, and 24 is before it/,
    ],
    [
      'a time that falls',
      (commits) => at(commits, 34, { time: 1_700_000_000_001 }),
      { fallingTimes: 1 },
      /commit 34 \(user-.*\): \d+ ms before commit 24/,
    ],
    [
      'a post made twice',
      (commits) => at(commits, 34, { events: commits[23]!.events }),
      { impossibleEvents: 1 },
      /commit 34 .*: PostCreated gives the id of another post/,
    ],
    [
      'a command with two effects',
      (commits) => at(at(commits, 24, { metadata: command('twice') }), 34, { metadata: command('twice') }),
      { doubledCommands: 1 },
      /user-.*: command twice in commits 24 and 34/,
    ],
    [
      'a command with an effect and a note',
      (commits) =>
        at(at(commits, 24, { metadata: command('twice') }), 34, { metadata: command('twice'), events: [{ type: 'CommandNoted' }] }),
      { doubledCommands: 1 },
      /command twice in commits 24 and 34/,
    ],
    [
      'a post among the runs',
      (commits) => at(commits, 1, { events: [commits[0]!.events[0], commits[23]!.events[0]] }),
      { impossibleEvents: 1 },
      /commit 1 \(runs\): PostCreated stands outside of the stream of a user/,
    ],
    [
      'a run among the posts',
      (commits) => at(commits, 34, { events: commits[0]!.events }),
      { impossibleEvents: 1 },
      /commit 34 \(user-.*\): RunStarted stands outside of the stream of runs/,
    ],
    [
      'the end of a run that has not begun',
      (commits) => at(commits, 1, { events: [{ type: 'RunEnded', runId: runIdOf(9), endedAt: 7 }] }),
      { impossibleEvents: 1 },
      /commit 1 \(runs\): RunEnded ends a run that is not open/,
    ],
  ];
  const command = (id: string) => ({ commandId: id as CommandId, fingerprint: 'print' });
  test.each(cases)('with %s', async (_, change, expected, example) => {
    const report = await verify(await forged(change));
    expect(faultsOf(report)).toEqual(expected);
    expect(report.faults.flatMap(({ examples }) => examples).join('\n')).toMatch(example);
  });

  test('an index by which a user has not done the last of it', async () => {
    const { writer } = await smallNetwork();
    const commits = await commitsOf(writer.log);
    const stream = userStreamOf(writer.userId(0));
    const log = await forgeLog(writer.log, commits, [], [[stream, headAfter(writer.log.id, commits[23]!)]]);
    const report = await verify(log);
    expect(faultsOf(report)).toEqual({ wrongEnds: 1 });
    expect(report.faults.flatMap(({ examples }) => examples)).toEqual([
      `${stream}: ends with version 4 in commit 54, and the index says otherwise`,
    ]);
  });

  test('the same id of two users is two commands', async () => {
    const log = await forged((commits) => at(at(commits, 24, { metadata: command('once') }), 25, { metadata: command('once') }));
    expect(faultsOf(await verify(log))).toEqual({});
  });

  test('what cannot be decoded is counted, and read past', async () => {
    const report = await verify(await forged((commits) => commits, [24, 25, 40]));
    // The chains that they stand in count as taken up after them.
    expect(faultsOf(report)).toEqual({ undecodable: 3 });
    expect(report.looked.log).toMatchObject({ commits: 60 });
    expect(report.faults.find(({ kind }) => kind === 'undecodable')!.examples[0]).toMatch(/commit 24: the checksum does not fit/);
  });

  test('commits that are missing', async () => {
    const report = await verify(await forged((commits) => commits.filter(({ commit }) => commit !== 24)));
    expect(faultsOf(report)).toEqual({ undecodable: 1 });
    expect(report.faults[0]!.examples).toEqual(['commit 24 is missing from the log']);
  });
});

describe('what clients were told', () => {
  async function check(change: (records: CommandRecord[], writer: Writer) => readonly CommandRecord[]) {
    const writer = createWriter();
    const { log } = writer;
    const records: CommandRecord[] = [];
    await writer.register(1);
    const stream = userStreamOf(writer.userId(1));
    for (let number = 0; number < 5; number += 1) {
      const head = await log.head(stream);
      const metadata = { commandId: (number === 4 ? 'c 3' : `c ${number}`) as CommandId, fingerprint: 'p' };
      const next = await log.append(stream, head, { time: 1_800_000_000_000, metadata, events: [{ type: 'CommandNoted' }] });
      if (number < 3)
        records.push({
          handle: number === 1 ? 'USER_1' : handleOf(1),
          commandId: `c ${number}`,
          outcome: 'accepted',
          position: formatPosition(next.position),
          type: 'createPost',
        });
    }
    const file = join(await tempDir('records'), 'acknowledged.ndjson');
    await writeFile(
      file,
      change(records, writer)
        .map((record) => `${JSON.stringify(record)}\n`)
        .join(''),
    );
    const report = await verify(log, undefined, { answers: await readCommandRecords(file, log) });
    const { doubledCommands, ...faults } = faultsOf(report);
    expect(doubledCommands).toBe(1);
    return faults;
  }
  const cases: readonly (readonly [string, (records: CommandRecord[], writer: Writer) => readonly CommandRecord[], object])[] = [
    ['all in the log', (records) => records, {}],
    [
      'unknown outcomes',
      ([first]) => [
        { ...first!, outcome: 'unknown' },
        { ...first!, commandId: 'never', outcome: 'unknown' },
      ],
      {},
    ],
    ['by the id of the user', ([first], writer) => [{ ...first!, userId: writer.userId(1), handle: '' }], {}],
    ['one missing', ([first]) => [{ ...first!, commandId: 'never' }], { acknowledgedMissing: 1 }],
    ['one of somebody else', ([first]) => [{ ...first!, handle: 'user_2' }], { acknowledgedMissing: 1 }],
    [
      'one with two effects',
      ([first]) => [{ handle: 'user_1', commandId: 'c 3', outcome: 'accepted' as const }, first!],
      { acknowledgedTwice: 1 },
    ],
    ['one at another place', ([first, second]) => [{ ...first!, position: second!.position! }], { acknowledgedElsewhere: 1 }],
    ['a rejected one in the log', ([first]) => [{ ...first!, outcome: 'rejected' }], { rejectedDone: 1 }],
    ['a rejected one', ([first]) => [{ ...first!, commandId: 'never', outcome: 'rejected' }], {}],
  ];
  test.each(cases)('%s', async (_, change, expected) => expect(await check(change)).toEqual(expected));

  test('a line that is no record is named', async () => {
    const { writer } = await smallNetwork();
    const file = join(await tempDir('records'), 'r.ndjson');
    const good = JSON.stringify({ handle: 'a', commandId: 'c', outcome: 'unknown' });
    for (const [line, message] of [
      ['{"handle":', /r.ndjson:2: a JSON object is wanted/],
      ['{"commandId":"c","outcome":"accepted"}', /r.ndjson:2: "handle" or "userId" is missing/],
      ['{"handle":"a","commandId":"c","outcome":"yes"}', /r.ndjson:2: "outcome" is accepted, rejected or unknown/],
      ['{"handle":"a","commandId":"c","outcome":"accepted","position":"x"}', /r.ndjson:2: "position" is no position/],
    ] as const) {
      await writeFile(file, `${good}\n${line}\n`);
      await expect(readCommandRecords(file, writer.log)).rejects.toThrow(message);
    }
    await writeFile(file, '{"kind":"pushed","subscriber":"a","postId":"b"}');
    await expect(readPushRecords(file, writer.log)).rejects.toThrow(/r.ndjson:1: "a" has not subscribed before/);
    await expect(readPushRecords(`${file}.gone`, writer.log)).rejects.toThrow(/cannot be read \(ENOENT\)/);
  });
});

describe('what subscribers got', () => {
  /** 1 follows 2 throughout, and 3 for a while; 4 never. Posts 21, 31 and 41 are made while 3 is followed, 22 and 32 later, 23 is deleted at the end. */
  async function check(posts: readonly number[], change: Partial<PushRecord> & { readonly noEnd?: true } = {}) {
    const writer = createWriter();
    for (const user of [1, 2, 3, 4]) await writer.register(user);
    await writer.follow(1, 2);
    await writer.post(2, 20);
    const since = await writer.follow(1, 3);
    for (const author of [2, 3, 4]) await writer.post(author, author * 10 + 1);
    await writer.unfollow(1, 3);
    for (const author of [2, 3, 4]) await writer.post(author, author * 10 + 2);
    await writer.post(1, 12);
    await writer.post(2, 23);
    const until = await writer.remove(2, 23);
    await writer.post(2, 24);
    const { noEnd, ...begin } = change;
    const records = [
      { kind: 'subscribed', subscriber: 's', handle: handleOf(1), timeline: 'home', since: formatPosition(since), ...begin },
      ...posts.map((post) => ({ kind: 'pushed', subscriber: 's', postId: postIdOf(post) })),
      ...(noEnd ? [] : [{ kind: 'until', subscriber: 's', position: formatPosition(until) }]),
    ] as PushRecord[];
    const file = join(await tempDir('records'), 'pushes.ndjson');
    await writeFile(file, records.map((record) => JSON.stringify(record)).join('\n'));
    const { found, ...rest } = { found: await verify(writer.log, undefined, { subscribers: await readPushRecords(file, writer.log) }) };
    expect(rest).toEqual({});
    return faultsOf(found);
  }
  const ofUser2 = { handle: handleOf(2), timeline: 'user' } as const;
  const cases: readonly (readonly [string, readonly number[], object, object])[] = [
    ['each once', [21, 31, 22, 12, 23], {}, {}],
    ['without what was gone, or unfollowed, before it came', [21, 22, 12], {}, {}],
    ['and more after it stopped to wait', [21, 22, 12, 24], {}, {}],
    ['one lost', [21, 12], {}, { pushesLost: 1 }],
    ['its own lost', [21, 22], {}, { pushesLost: 1 }],
    ['none at all', [], {}, { pushesLost: 3 }],
    ['one doubled', [21, 21, 22, 12], {}, { pushesDoubled: 1 }],
    ['one of a stranger', [21, 41, 22, 12], {}, { pushesForeign: 1 }],
    ['one of who was unfollowed before', [21, 22, 32, 12], {}, { pushesForeign: 1 }],
    ['one from before it began', [20, 21, 22, 12], {}, { pushesForeign: 1 }],
    ['one that nobody wrote', [21, 22, 12, 99], {}, { pushesForeign: 1 }],
    ['two in the wrong order', [22, 21, 12], {}, { pushesUnordered: 1 }],
    ['up to the last one', [21, 22], { noEnd: true }, {}],
    ['from the first one on', [22, 12], { since: undefined }, {}],
    ['of one user', [21, 22, 23], ofUser2, {}],
    ['of one user, one lost', [22, 23], ofUser2, { pushesLost: 1 }],
    ['of one user, one of another', [21, 22, 31], ofUser2, { pushesForeign: 1, pushesUnordered: 1 }],
  ];
  test.each(cases)('%s', async (_, posts, change, expected) => expect(await check(posts, change)).toEqual(expected));
});

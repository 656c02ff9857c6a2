import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import { openFileSnapshots } from '../../../src/actors/runtime/file-snapshots.ts';
import { decodeRecollection, encodeRecollection } from '../../../src/actors/runtime/recollection-bytes.ts';
import { recover } from '../../../src/actors/runtime/recovery.ts';
import { createMemorySnapshots } from '../../../src/actors/runtime/snapshots.ts';
import type { SnapshotStore } from '../../../src/actors/runtime/snapshots.ts';
import { fingerprintOf } from '../../../src/actors/fingerprint.ts';
import type { EventLog } from '../../../src/events/event-log.ts';
import type { UserEvent } from '../../../src/events/event-types.ts';
import { userStreamOf } from '../../../src/events/ids.ts';
import type { CommandId, PostId, UserId } from '../../../src/events/ids.ts';
import { createMemoryLog } from '../../../src/events/memory-log.ts';
import { silentLogger } from '../../../src/logger.ts';
import { seededRandom } from '../../../src/random.ts';
import { startNode } from './actor-node.ts';
import { ann, annRegistered, bob } from './given.ts';

const stream = userStreamOf(ann);
const userIds = Array.from({ length: 9 }, (_, n) => `0b0b0b0b-0000-5000-8000-00000000000${n}` as UserId);
const postIds = Array.from({ length: 9 }, (_, n) => `01890000-0000-7000-8000-00000000000${n}` as PostId);
const event: fc.Arbitrary<UserEvent> = fc.oneof(
  fc.record({ type: fc.constantFrom('UserFollowed', 'UserUnfollowed'), followeeId: fc.constantFrom(...userIds) }),
  fc.record({ type: fc.constant('PostCreated'), postId: fc.constantFrom(...postIds), text: fc.constant('x') }),
  fc.record({ type: fc.constant('PostDeleted'), postId: fc.constantFrom(...postIds) }),
  fc.constant({ type: 'CommandNoted' } as const),
);
const history = fc.array(fc.record({ events: fc.array(event, { minLength: 1, maxLength: 3 }), pauseMs: fc.nat(100_000) }), {
  maxLength: 30,
});
type History = readonly { readonly events: readonly UserEvent[]; readonly pauseMs: number }[];

async function logOf(commits: History, seed = 1, commitsBefore = 0): Promise<EventLog> {
  const log = createMemoryLog({ random: seededRandom(seed) });
  for (let n = 0; n < commitsBefore; n++)
    await log.append(userStreamOf(userIds[n]!), 'no-stream', { time: 1_000, events: [annRegistered] });
  let head = await log.append(stream, 'no-stream', { time: 1_000, events: [annRegistered] });
  let time = 1_000;
  for (const [n, { events, pauseMs }] of commits.entries()) {
    time += pauseMs;
    const metadata = { commandId: `c${n}` as CommandId, fingerprint: fingerprintOf({ type: 'FollowUser', followeeId: bob }) };
    head = await log.append(stream, head, { time, events: events as [UserEvent], metadata });
  }
  return log;
}

const recoverFrom = (log: EventLog, snapshots: SnapshotStore) =>
  recover(ann, { log, snapshots, logger: silentLogger, snapshotEveryEvents: 1 });
const bytesOf = async (log: EventLog, snapshots = createMemorySnapshots()) => encodeRecollection(await recoverFrom(log, snapshots));

/** A log that answers as it did when the stream was shorter. */
function cutAfter(log: EventLog, commits: number): EventLog {
  const cut: EventLog = {
    ...log,
    async *read(name, from) {
      for await (const batch of log.read(name, from)) yield batch.filter(({ commit }) => commit <= commits);
    },
    async head(name) {
      let head = await log.head(name);
      for await (const batch of cut.read(name)) {
        for (const { commit, events, firstVersion } of batch) {
          head = { version: firstVersion + events.length - 1, position: { logId: log.id, commit, index: events.length - 1 } };
        }
      }
      return head;
    },
  };
  return cut;
}

test('law: a snapshot and the events after it tell the same as the whole stream', async () => {
  await fc.assert(
    fc.asyncProperty(history, fc.nat(), async (commits, where) => {
      const log = await logOf(commits);
      const early = cutAfter(log, 1 + (where % (commits.length + 1)));
      const snapshots = createMemorySnapshots();
      await snapshots.save(stream, 0, await bytesOf(early));
      const known = await recoverFrom(log, snapshots);
      expect(known.snapshotVersion).toBeGreaterThanOrEqual(0);
      expect(encodeRecollection(known)).toEqual(await bytesOf(log));
    }),
    { numRuns: 60 },
  );
});

describe('a snapshot is ignored', () => {
  const commits: History = Array.from({ length: 9 }, (_, n) => ({
    events: [{ type: 'UserFollowed', followeeId: userIds[n]! }],
    pauseMs: 5,
  }));

  async function ignored(log: EventLog, bytes: Uint8Array): Promise<void> {
    const snapshots = createMemorySnapshots();
    await snapshots.save(stream, 0, bytes);
    const known = await recoverFrom(log, snapshots);
    expect(known.snapshotVersion).toBe(-1);
    expect(encodeRecollection(known)).toEqual(await bytesOf(log));
  }

  test('when any byte of it is altered, or its end is missing', async () => {
    const log = await logOf(commits);
    const sound = await bytesOf(log);
    expect(decodeRecollection(sound, ann, log)).toBeDefined();
    for (let at = 0; at < sound.length; at += 7) {
      const spoilt = Uint8Array.from(sound);
      spoilt[at]! ^= 1;
      await ignored(log, spoilt);
      await ignored(log, sound.subarray(0, at));
    }
  });

  test('when it is of another log', async () => ignored(await logOf(commits), await bytesOf(await logOf(commits, 2))));

  test('when the log has less than it (a backup was restored)', async () => {
    const log = await logOf(commits);
    await ignored(cutAfter(log, 5), await bytesOf(log));
  });

  const last = commits.at(-1)!;
  test.each([
    ['something else in its place', () => logOf(commits.map((commit) => ({ ...commit, pauseMs: 6 })))],
    ['more in its place', () => logOf([...commits.slice(0, -1), { ...last, events: [...last.events, { type: 'CommandNoted' }] }])],
    ['it in another place', () => logOf(commits, 1, 1)],
  ])('when the log has %s', async (_, other) => ignored(await other(), await bytesOf(await logOf(commits))));

  test('when it is of another format, or of another user', async () => {
    const log = await logOf(commits);
    const bytes = Buffer.from(await bytesOf(log));
    expect(decodeRecollection(bytes, bob, log)).toBeUndefined();
    bytes.write('9', bytes.indexOf('"format":') + '"format":'.length);
    bytes.writeUInt32LE(crc32(bytes.subarray(4)));
    await ignored(log, bytes);
  });

  test('when it cannot be read', async () => {
    const log = await logOf(commits);
    const broken: SnapshotStore = { load: () => Promise.reject(new Error('EIO')), save: async () => {} };
    expect(await bytesOf(log, broken)).toEqual(await bytesOf(log));
  });
});

test('an actor keeps one every so many events, and recovers from it', async () => {
  const node = await startNode({ limits: { snapshotEveryEvents: 10, activeActorsMax: 1 } });
  const user = await node.register('ann');
  const follow = (n: number) => node.tell(user, { type: 'FollowUser', followeeId: userIds[n]! }, { commandId: `c${n}` });
  for (let n = 0; n < 8; n++) await follow(n);
  expect(await node.snapshots.load(userStreamOf(user))).toBeUndefined();
  await follow(8);
  const kept = decodeRecollection((await node.snapshots.load(userStreamOf(user)))!, user, node.truth);
  expect(kept).toMatchObject({ snapshotVersion: 9, state: { registered: true } });
  expect(kept?.state.followees?.size).toBe(9);
  await node.register('ben');
  expect(await follow(0)).toMatchObject({ outcome: 'accepted', repeated: true });
  expect(node.logged).toEqual([]);
});

describe('snapshots in files', () => {
  async function folder(): Promise<string> {
    const directory = await mkdtemp(join(tmpdir(), 'starling-snapshots-'));
    onTestFinished(() => rm(directory, { recursive: true, force: true }));
    return directory;
  }

  test('are there after a restart, the last one alone', async () => {
    const directory = await folder();
    const log = await logOf([]);
    const before = await openFileSnapshots(join(directory, 'new'));
    expect(await before.load(stream)).toBeUndefined();
    await before.save(stream, 1, Buffer.from('old'));
    await before.save(stream, 2, await bytesOf(log));
    const after = await openFileSnapshots(join(directory, 'new'));
    expect(Buffer.from((await after.load(stream))!)).toEqual(Buffer.from(await bytesOf(log)));
    expect(await readdir(join(directory, 'new', stream.slice(-2)))).toEqual([`${stream}.snapshot`]);
  });

  test('that were half written when the process was killed are removed by the next start, and nothing else', async () => {
    const directory = await folder();
    const before = await openFileSnapshots(directory);
    await before.save(stream, 1, Buffer.from('whole'));
    const inside = join(directory, stream.slice(-2));
    await writeFile(join(inside, `${stream}.snapshot.2.new`), 'ha');
    await openFileSnapshots(directory);
    expect(await readdir(inside)).toEqual([`${stream}.snapshot`]);
  });

  test('that are only half there do not hurt', async () => {
    const directory = await folder();
    const log = await logOf([{ events: [{ type: 'CommandNoted' }], pauseMs: 1 }]);
    const snapshots = await openFileSnapshots(directory);
    await snapshots.save(stream, 1, await bytesOf(log));
    await writeFile(join(directory, stream.slice(-2), `${stream}.snapshot`), (await bytesOf(log)).subarray(0, 20));
    expect((await recoverFrom(log, snapshots)).snapshotVersion).toBe(-1);
  });
});

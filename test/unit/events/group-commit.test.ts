import { describe, expect, it } from 'vitest';
import { encodeCommit } from '../../../src/events/codec.ts';
import { AppendOutcomeUnknown, LogUnavailable, WrongExpectedVersion } from '../../../src/events/event-log.ts';
import type { NewCommit, StreamHead } from '../../../src/events/event-log.ts';
import { createGroupCommit } from '../../../src/events/group-commit.ts';
import type { PendingCommit } from '../../../src/events/group-commit.ts';
import type { LogId, StreamName } from '../../../src/events/ids.ts';
import { limits } from '../../../src/limits.ts';
import { eventually } from '../../support/wait-for.ts';

const logId = '00000000-0000-4000-8000-000000000000' as LogId;
const [a, b, c] = ['a', 'b', 'c'] as unknown as [StreamName, StreamName, StreamName];
const commit: NewCommit = { events: [{ type: 'CommandNoted' }], time: 1 };

/** A disk whose writes wait until the test lets them go. */
function createDisk() {
  const heads = new Map<StreamName, StreamHead>();
  const started: { group: readonly PendingCommit[]; succeed: () => void; fail: (error: Error) => void }[] = [];
  const written: number[] = [];
  const appends = createGroupCommit({
    logId,
    last: 0,
    encode: (recorded) => encodeCommit(recorded),
    headOf: (stream) => heads.get(stream),
    write: (group) => new Promise((succeed, fail) => void started.push({ group, succeed, fail })),
    written(group) {
      for (const { stream, head, recorded } of group) {
        heads.set(stream, head);
        written.push(recorded.commit);
      }
    },
  });
  const write = (number: number) => eventually(() => started[number], `write ${number} has started`);
  return { appends, write, started, written };
}

describe('group commit', () => {
  it('answers nobody and shows nothing before the disk has the group', async () => {
    const disk = createDisk();
    let answered = false;
    const append = disk.appends.append(a, 'no-stream', [commit]).then(([head]) => {
      answered = true;
      return head;
    });
    const first = await disk.write(0);
    await new Promise(setImmediate);
    expect([answered, disk.written]).toEqual([false, []]);
    first.succeed();
    expect(await append).toEqual({ version: 0, position: { logId, commit: 1, index: 0 } });
    expect(disk.written).toEqual([1]);
  });

  it('takes everything that arrives during a write into the next one', async () => {
    const disk = createDisk();
    const one = disk.appends.append(a, 'no-stream', [commit]);
    const first = await disk.write(0);
    const more = [b, c].map((stream) => disk.appends.append(stream, 'no-stream', [commit]));
    expect(disk.started).toHaveLength(1);
    first.succeed();
    await one;
    const second = await disk.write(1);
    expect(second.group.map(({ stream }) => stream)).toEqual([b, c]);
    second.succeed();
    expect((await Promise.all(more)).map(([{ position }]) => position.commit)).toEqual([2, 3]);
  });

  it('puts appends of one stream into one group when each expects the one before', async () => {
    const disk = createDisk();
    const heads = [0, 1, 2].map((version) => ({ version, position: { logId, commit: version + 1, index: 0 } }));
    const chain = ['no-stream' as const, heads[0]!, heads[1]!].map((expected) => disk.appends.append(a, expected, [commit]));
    const { group, succeed } = await disk.write(0);
    expect(group.map(({ recorded }) => [recorded.firstVersion, recorded.predecessor])).toEqual([
      [0, null],
      [1, 1],
      [2, 2],
    ]);
    succeed();
    expect((await Promise.all(chain)).flat()).toEqual(heads);
  });

  it('bounds a group', async () => {
    const disk = createDisk();
    const count = limits.appendsPerGroupMax + 10;
    const all = Promise.all(Array.from({ length: count }, (_, n) => disk.appends.append(`s${n}` as StreamName, 'no-stream', [commit])));
    const first = await disk.write(0);
    expect(first.group).toHaveLength(limits.appendsPerGroupMax);
    first.succeed();
    const second = await disk.write(1);
    expect(second.group).toHaveLength(10);
    second.succeed();
    await all;
  });

  it('never splits an append of several commits over two groups, and writes one that is larger than a group alone', async () => {
    const disk = createDisk();
    const many = (count: number) => Array.from({ length: count }, () => commit) as unknown as readonly [NewCommit, ...NewCommit[]];
    const appends = [a, b, c].map((stream, n) =>
      disk.appends.append(stream, 'no-stream', many(n === 2 ? limits.appendsPerGroupMax + 1 : 3)),
    );
    const filling = disk.appends.append('d' as StreamName, 'no-stream', many(limits.appendsPerGroupMax - 1));
    const sizes: number[] = [];
    for (const number of [0, 1, 2]) {
      const { group, succeed } = await disk.write(number);
      sizes.push(group.length);
      succeed();
    }
    expect(sizes).toEqual([6, limits.appendsPerGroupMax + 1, limits.appendsPerGroupMax - 1]);
    const heads = await Promise.all([...appends, filling]);
    expect(heads.map((each) => each.map(({ version }) => version))).toEqual(
      [3, 3, limits.appendsPerGroupMax + 1, limits.appendsPerGroupMax - 1].map((length) => Array.from({ length }, (_, version) => version)),
    );
  });

  it('appends all of several commits or none', async () => {
    const disk = createDisk();
    const both = disk.appends.append(a, 'no-stream', [commit, commit]);
    const rival = disk.appends.append(a, { version: 0, position: { logId, commit: 1, index: 0 } }, [commit]);
    const refused = expect(rival).rejects.toThrow(WrongExpectedVersion);
    const first = await disk.write(0);
    first.fail(new LogUnavailable('no space left'));
    await expect(both).rejects.toThrow('no space left');
    await refused;
    const malformed = { ...commit, time: 0.5 };
    await expect(disk.appends.append(a, 'no-stream', [commit, malformed])).rejects.toThrow('whole milliseconds');
    const again = disk.appends.append(a, 'no-stream', [commit, commit]);
    (await disk.write(1)).succeed();
    expect((await again).map(({ position }) => position.commit)).toEqual([1, 2]);
    expect(disk.written).toEqual([1, 2]);
  });

  it('refuses a rival only when the append that it lost to is settled', async () => {
    const disk = createDisk();
    const winner = disk.appends.append(a, 'no-stream', [commit]);
    let refused: unknown;
    const rival = disk.appends.append(a, 'no-stream', [commit]).catch((error: unknown) => (refused = error));
    const first = await disk.write(0);
    await new Promise(setImmediate);
    expect(refused).toBeUndefined();
    first.succeed();
    await winner;
    await rival;
    expect(refused).toBeInstanceOf(WrongExpectedVersion);
  });

  it('when nothing was written refuses the whole line, and then goes on as if it had never been', async () => {
    const disk = createDisk();
    const failing = disk.appends.append(a, 'no-stream', [commit]);
    const first = await disk.write(0);
    const behind = disk.appends.append(a, { version: 0, position: { logId, commit: 1, index: 0 } }, [commit]);
    const rival = disk.appends.append(a, 'no-stream', [commit]);
    const full = new LogUnavailable('no space left');
    first.fail(full);
    const [one, two, three] = await Promise.allSettled([failing, behind, rival]);
    expect(one).toMatchObject({ reason: full });
    expect(two).toMatchObject({ reason: { code: 'LOG_UNAVAILABLE', cause: full } });
    expect(three).toMatchObject({ reason: { code: 'WRONG_EXPECTED_VERSION' } });
    const again = disk.appends.append(a, 'no-stream', [commit]);
    (await disk.write(1)).succeed();
    expect((await again)[0].position.commit).toBe(1);
    expect(disk.written).toEqual([1]);
  });

  it('when it is not known what was written says so, and stops', async () => {
    const disk = createDisk();
    const failing = disk.appends.append(a, 'no-stream', [commit]);
    const first = await disk.write(0);
    const behind = disk.appends.append(b, 'no-stream', [commit]);
    first.fail(new AppendOutcomeUnknown('input/output error'));
    const [one, two] = await Promise.allSettled([failing, behind]);
    expect(one).toMatchObject({ reason: { code: 'APPEND_OUTCOME_UNKNOWN' } });
    expect(two).toMatchObject({ reason: { code: 'LOG_UNAVAILABLE' } });
    expect(() => disk.appends.assertRunning()).toThrow(LogUnavailable);
    await expect(disk.appends.append(c, 'no-stream', [commit])).rejects.toThrow('start the process again');
    await disk.appends.close();
    expect(disk.started).toHaveLength(1);
  });

  it('closes after the line is empty', async () => {
    const disk = createDisk();
    const running = disk.appends.append(a, 'no-stream', [commit]);
    const first = await disk.write(0);
    const closed = disk.appends.close();
    await expect(disk.appends.append(b, 'no-stream', [commit])).rejects.toThrow('closed');
    first.succeed();
    await Promise.all([running, closed, disk.appends.close()]);
  });
});

import { setMaxListeners } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LogUnavailable, PositionOfAnotherLog, WrongExpectedVersion } from '../../src/events/event-log.ts';
import type { EventLog, ExpectedVersion, NewCommit, NonEmpty, RecordedCommit, StreamHead } from '../../src/events/event-log.ts';
import type { DomainEvent } from '../../src/events/event-types.ts';
import type { CommandId, LogId, PostId, StreamName, UserId } from '../../src/events/ids.ts';
import { comparePositions, lastPositionOf } from '../../src/events/position.ts';
import { limits } from '../../src/limits.ts';

export interface EventLogCapabilities {
  /** Appends of the race of two writers, all streams together. */
  readonly raceAppends: number;
  /** Commits of the longest stream, each appended after the one before was answered. */
  readonly longStream: number;
  readonly manyStreams: number;
  /** Has `appendAll`. An engine without it writes each commit with an answer of its own. */
  readonly appendsTogether?: true;
  /** Why a log opened anew does not hold the same events. */
  readonly notPersistent?: string;
}

/** A place for one log. */
export interface LogUnderTest {
  readonly log: EventLog;
  /** The same log opened a second time, as another node would; absent where one process alone may write. `remove` closes it. */
  another?(): Promise<EventLog>;
  /** Closes the log and opens it anew. */
  reopen(): Promise<EventLog>;
  /** Closes what is open and removes the place. */
  remove(): Promise<void>;
}

const streamA = 'user-0a0a0a0a-0000-5000-8000-00000000000a' as StreamName;
const streamB = 'user-0b0b0b0b-0000-5000-8000-00000000000b' as StreamName;
const postId = '01928374-1234-7abc-8def-0123456789ab' as PostId;

/** What every event log promises, whatever it stands on. */
export function eventLogContract(name: string, createLog: () => Promise<LogUnderTest>, capabilities: EventLogCapabilities): void {
  const { longStream, manyStreams, raceAppends } = capabilities;

  describe(`${name} keeps the contract of the event log`, () => {
    let place: LogUnderTest;
    let log: EventLog;
    let ending: AbortController;

    beforeEach(async () => {
      place = await createLog();
      log = place.log;
      ending = new AbortController();
      setMaxListeners(100, ending.signal);
    });
    afterEach(async () => {
      ending.abort();
      await place.remove();
    });

    describe('append', () => {
      it('begins a stream at version 0 and goes on without a gap', async () => {
        const first = await log.append(streamA, 'no-stream', commitOf(3));
        const second = await log.append(streamA, first, commitOf(2));
        expect([first.version, second.version]).toEqual([2, 4]);
        expect([first.position.index, second.position.index]).toEqual([2, 1]);
        expect(first.position.logId).toBe(log.id);
        const commits = await readAll(log, streamA);
        expect(commits.map(({ firstVersion, predecessor }) => [firstVersion, predecessor])).toEqual([
          [0, null],
          [3, first.position.commit],
        ]);
      });

      it('refuses another beginning of a stream that exists', async () => {
        await log.append(streamA, 'no-stream', commitOf(1));
        await expect(log.append(streamA, 'no-stream', commitOf(1))).rejects.toThrow(WrongExpectedVersion);
        expect(await readAll(log, streamA)).toHaveLength(1);
      });

      it.each<[string, (heads: readonly [StreamHead, StreamHead]) => ExpectedVersion]>([
        ['an end that the stream had before', ([first]) => first],
        ['an end that it has not reached', ([, second]) => ({ ...second, version: second.version + 1 })],
        ['the right version at another position', ([first, second]) => ({ version: second.version, position: first.position })],
        ['the right position at another version', ([first, second]) => ({ version: first.version, position: second.position })],
        ['an end in another log', ([, second]) => ({ ...second, position: { ...second.position, logId: otherLogId } })],
      ])('with %s appends nothing', async (_, expectedOf) => {
        const first = await log.append(streamA, 'no-stream', commitOf(1));
        const second = await log.append(streamA, first, commitOf(1));
        const refused = log.append(streamA, expectedOf([first, second]), commitOf(2));
        await expect(refused).rejects.toMatchObject({ code: 'WRONG_EXPECTED_VERSION', stream: streamA });
        expect(await log.head(streamA)).toEqual(second);
        expect(await readAll(log, streamA)).toHaveLength(2);
        expect((await log.tail())?.position).toEqual(second.position);
      });

      it('to a stream that does not exist fails when an end is expected', async () => {
        const head = await log.append(streamA, 'no-stream', commitOf(1));
        await expect(log.append(streamB, head, commitOf(1))).rejects.toThrow(WrongExpectedVersion);
        expect(await log.head(streamB)).toBe('no-stream');
      });

      it('refuses what is no commit, and nothing of it is there', async () => {
        const none = { ...commitOf(1), events: [] } as unknown as NewCommit;
        const tooMany = commitOf(limits.eventsPerCommitMax + 1);
        const tooLarge = { ...commitOf(1), events: [post('x'.repeat(limits.commitBytesMax))] as const };
        const noTime = { ...commitOf(1), time: 0.5 };
        for (const bad of [none, tooMany, tooLarge, noTime]) await expect(log.append(streamA, 'no-stream', bad)).rejects.toThrow();
        expect(await log.tail()).toBeUndefined();
        const head = await log.append(streamA, 'no-stream', commitOf(limits.eventsPerCommitMax));
        expect(head.position.index).toBe(limits.eventsPerCommitMax - 1);
      });

      it('takes many of one stream that are on their way together, each after the one before', async () => {
        // Positions are only known from the answers, so the next goes out as soon as the one before was answered; others fill the time between.
        const others = Promise.all(Array.from({ length: 200 }, (_, n) => log.append(streamOf(n), 'no-stream', commitOf(1))));
        let head: ExpectedVersion = 'no-stream';
        for (let n = 0; n < 20; n += 1) head = await log.append(streamA, head, commitOf(2));
        await others;
        expect(head).toMatchObject({ version: 39 });
        expect(versionsOf(await readAll(log, streamA))).toEqual(numbersTo(40));
      });

      it(
        'acknowledges no version twice when two writers race, and subscribers see exactly what was acknowledged',
        { timeout: 120_000 },
        async () => {
          const logs = [log, (await place.another?.()) ?? log];
          const streams = numbersTo(16).map(streamOf);
          const acknowledged: [commit: number, stream: StreamName, version: number, text: string][] = [];
          const race = async (writer: EventLog, stream: StreamName, who: number) => {
            let head: ExpectedVersion = 'no-stream';
            for (let n = 0; acknowledged.length < raceAppends; n += 1) {
              const text = `${who} ${n}`;
              try {
                head = await writer.append(stream, head, commitOf(1, text));
                acknowledged.push([head.position.commit, stream, head.version, text]);
              } catch (error) {
                expect(error).toBeInstanceOf(WrongExpectedVersion);
                head = await writer.head(stream);
              }
            }
          };
          await Promise.all(streams.flatMap((stream) => logs.map((writer, number) => race(writer, stream, number))));
          acknowledged.sort(([a], [b]) => a - b);
          const reported = await firstOf(log, acknowledged.length);
          expect((await log.tail())?.position.commit).toBe(reported.at(-1)?.commit);
          expect(
            reported.map(({ commit, stream, firstVersion, events: [event] }) => [commit, stream, firstVersion, textOf(event)]),
          ).toEqual(acknowledged);
          for (const stream of streams) {
            const commits = await readAll(log, stream);
            expect(versionsOf(commits)).toEqual(numbersTo(commits.length));
            for (const [at, commit] of commits.entries()) expect(commit.predecessor).toBe(commits[at - 1]?.commit ?? null);
          }
        },
      );
    });

    it('has appendAll or not, as it says', () => {
      expect(log.appendAll !== undefined).toBe(capabilities.appendsTogether ?? false);
    });

    describe.skipIf(!capabilities.appendsTogether)('appendAll', () => {
      const appendAll = (...args: Parameters<NonNullable<EventLog['appendAll']>>) => log.appendAll!(...args);

      it('appends the commits one after the other, as append would have', async () => {
        const first = await log.append(streamA, 'no-stream', commitOf(2));
        const metadata = { commandId: 'c1' as CommandId, fingerprint: 'f1' };
        const heads = await appendAll(streamA, first, [
          commitOf(1),
          { ...commitOf(3), metadata },
          { ...commitOf(1), time: 1_763_700_000_001 },
        ]);
        expect(heads.map(({ version, position }) => [version, position.index])).toEqual([
          [2, 0],
          [5, 2],
          [6, 0],
        ]);
        expect(await log.head(streamA)).toEqual(heads[2]);
        const commits = await readAll(log, streamA);
        expect(commits.map((commit) => [commit.commit, commit.firstVersion, commit.predecessor])).toEqual([
          [first.position.commit, 0, null],
          [heads[0].position.commit, 2, first.position.commit],
          [heads[1]!.position.commit, 3, heads[0].position.commit],
          [heads[2]!.position.commit, 6, heads[1]!.position.commit],
        ]);
        expect(commits.map((commit) => commit.metadata)).toEqual([undefined, undefined, metadata, undefined]);
        expect(commits.map(({ time }) => time - 1_763_700_000_000)).toEqual([0, 0, 0, 1]);
        expect(await firstOf(log, 4)).toEqual(commits);
        expect(await log.append(streamA, heads[2]!, commitOf(1))).toMatchObject({ version: 7 });
      });

      it('appends nothing where another end was expected', async () => {
        const head = await log.append(streamA, 'no-stream', commitOf(1));
        const second = await log.append(streamA, head, commitOf(1));
        for (const expected of ['no-stream', head] as const) {
          await expect(appendAll(streamA, expected, [commitOf(1), commitOf(1)])).rejects.toThrow(WrongExpectedVersion);
        }
        expect(await log.head(streamA)).toEqual(second);
        expect(await readAll(log, streamA)).toHaveLength(2);
      });

      it('appends nothing when one of them is no commit', async () => {
        const none = { ...commitOf(1), events: [] } as unknown as NewCommit;
        const tooLarge = { ...commitOf(1), events: [post('x'.repeat(limits.commitBytesMax))] as const };
        for (const bad of [none, tooLarge]) await expect(appendAll(streamA, 'no-stream', [commitOf(1), bad])).rejects.toThrow();
        expect(await log.tail()).toBeUndefined();
        expect(await appendAll(streamA, 'no-stream', [commitOf(1), commitOf(1)])).toHaveLength(2);
      });

      it('takes those of many streams at once, and nobody else comes between', async () => {
        const each = 50;
        const commits = Array.from({ length: each }, () => commitOf(1)) as unknown as NonEmpty<NewCommit>;
        const streams = numbersTo(40).map(streamOf);
        await Promise.all(streams.map((stream) => appendAll(stream, 'no-stream', commits)));
        const reported = await firstOf(log, streams.length * each);
        const runs = reported.filter(({ stream }, at) => stream !== reported[at - 1]?.stream).length;
        expect(runs).toBe(streams.length);
        for (const stream of streams) {
          expect(versionsOf(await readAll(log, stream))).toEqual(numbersTo(each));
        }
      });

      it('lets one of two rivals win, whole', async () => {
        const two = [commitOf(1), commitOf(1)] as const;
        const outcomes = await Promise.allSettled([appendAll(streamA, 'no-stream', two), appendAll(streamA, 'no-stream', two)]);
        expect(outcomes.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
        expect(outcomes.find(({ status }) => status === 'rejected')).toMatchObject({ reason: { code: 'WRONG_EXPECTED_VERSION' } });
        expect(await readAll(log, streamA)).toHaveLength(2);
      });
    });

    describe('read', () => {
      it('of a stream that does not exist finds nothing', async () => {
        expect(await readAll(log, streamA)).toEqual([]);
        expect(await log.head(streamA)).toBe('no-stream');
      });

      it('gives back what was appended: text of all kinds, times, metadata', async () => {
        const texts = ['', 'plain', 'Grüße, 日本語, 👩‍👩‍👧‍👦, \u0000 and "quotes"\n', 'é'.repeat(limits.postBytesMax / 2), '\ud800 alone'];
        const commit: NewCommit = {
          events: [post('first', { postId, authorId: userId }), ...texts.map((text) => post(text))],
          time: 1_763_700_000_123,
          metadata: { commandId: 'chosen by the client: ✓' as CommandId, fingerprint: 'a1b2' },
        };
        const head = await log.append(streamA, 'no-stream', commit);
        expect(await readAll(log, streamA)).toEqual([
          { ...commit, commit: head.position.commit, stream: streamA, firstVersion: 0, predecessor: null },
        ]);
      });

      it('begins with the commit that holds the version', async () => {
        let head: ExpectedVersion = 'no-stream';
        for (let n = 0; n < 4; n += 1) head = await log.append(streamA, head, commitOf(3));
        const from = async (version: number) => (await readAll(log, streamA, version)).map(({ firstVersion }) => firstVersion);
        expect(await from(0)).toEqual([0, 3, 6, 9]);
        expect(await from(3)).toEqual([3, 6, 9]);
        expect(await from(5)).toEqual([3, 6, 9]);
        expect(await from(11)).toEqual([9]);
        expect(await from(12)).toEqual([]);
      });

      it('keeps streams apart, also when one name begins with another', async () => {
        const names = ['runs', 'runs2', 'run', 'process-a', 'process-a-b', streamA, streamB] as StreamName[];
        await Promise.all(names.map((stream) => log.append(stream, 'no-stream', commitOf(2))));
        for (const stream of names) {
          const commits = await readAll(log, stream);
          expect(commits.map((commit) => [commit.stream, commit.events.length])).toEqual([[stream, 2]]);
        }
      });

      it('hands out a long stream whole, in bounded batches', async () => {
        await appendChain(log, streamA, longStream);
        const batches = await collect(log.read(streamA));
        for (const batch of batches) {
          expect(batch.length).toBeGreaterThan(0);
          expect(batch.length).toBeLessThanOrEqual(limits.commitsPerBatchMax);
        }
        expect(versionsOf(batches.flat())).toEqual(numbersTo(longStream));
        const fromTheMiddle = await readAll(log, streamA, longStream / 2);
        expect(fromTheMiddle.map(({ firstVersion }) => firstVersion)).toEqual(numbersTo(longStream).slice(longStream / 2));
      });

      it('finds each of many streams', async () => {
        const streams = numbersTo(manyStreams).map(streamOf);
        const heads = await inFlight(64, streams, (stream) => log.append(stream, 'no-stream', commitOf(1)));
        expect(new Set(heads.map(({ position }) => position.commit)).size).toBe(manyStreams);
        const found = await inFlight(64, streams, (stream) => log.head(stream));
        expect(found).toEqual(heads);
        expect(await readAll(log, streams[manyStreams - 1] as StreamName)).toHaveLength(1);
      });
    });

    describe('commitAt', () => {
      it('finds the commit that a position stands in', async () => {
        const heads = await appendChain(log, streamA, 5, 2);
        const commits = await readAll(log, streamA);
        for (const [at, { position }] of heads.entries()) {
          for (const index of [0, 1]) expect(await log.commitAt({ ...position, index })).toEqual(commits[at]);
        }
        const { position } = heads[0] as StreamHead;
        expect(await log.commitAt({ ...position, commit: position.commit + 1_000_000 })).toBeUndefined();
        await expect(log.commitAt({ ...position, logId: otherLogId })).rejects.toThrow(PositionOfAnotherLog);
      });
    });

    describe('head and tail', () => {
      it('show an append as soon as it is answered', async () => {
        let head: ExpectedVersion = 'no-stream';
        for (let n = 0; n < 50; n += 1) {
          head = await log.append(streamA, head, { ...commitOf(2), time: 1_000 + n });
          expect(await log.head(streamA)).toEqual(head);
          expect(await log.tail()).toEqual({ position: head.position, time: 1_000 + n });
        }
        expect(await log.head(streamB)).toBe('no-stream');
      });

      it('of an empty log is undefined', async () => {
        expect(await log.tail()).toBeUndefined();
      });
    });

    describe('subscribe', () => {
      it('reports what append returned, in strictly rising order', async () => {
        const appended = new Map<string, StreamHead>();
        for (let n = 0; n < 5; n += 1) {
          for (const stream of [streamA, streamB]) {
            appended.set(`${stream} ${n}`, await log.append(stream, appended.get(`${stream} ${n - 1}`) ?? 'no-stream', commitOf(n + 1)));
          }
        }
        const commits = await firstOf(log, 10);
        const reported = commits.map((commit) => ({
          version: commit.firstVersion + commit.events.length - 1,
          position: lastPositionOf(log.id, commit),
        }));
        expect(reported).toEqual([...appended.values()]);
        for (const [at, { position }] of reported.slice(1).entries()) {
          expect(comparePositions(position, reported[at]?.position ?? position)).toBeGreaterThan(0);
        }
        expect((await log.tail())?.position).toEqual(reported.at(-1)?.position);
      });

      it('starts after the commit that the position stands in, at any of its events', async () => {
        const heads = await appendChain(log, streamA, 6, 3);
        const third = heads[2] as StreamHead;
        for (const index of [0, 1, 2]) {
          const [next] = await firstOf(log, 1, { ...third.position, index });
          expect(next?.firstVersion).toBe(9);
        }
        const [afterStart] = await firstOf(log, 1);
        expect(afterStart?.firstVersion).toBe(0);
      });

      it('from the end waits for the next commit', async () => {
        const [head] = (await appendChain(log, streamA, 1)) as [StreamHead];
        const next = firstOf(log, 1, head.position);
        const appended = await log.append(streamA, head, commitOf(2));
        expect((await next)[0]?.commit).toBe(appended.position.commit);
      });

      it('never splits a commit and keeps batches bounded', async () => {
        const wide = 100;
        const commits = 60;
        await appendChain(log, streamA, commits, wide, 'x'.repeat(2_000));
        const sizes: number[] = [];
        let events = 0;
        for await (const batch of log.subscribe('start', ending.signal)) {
          sizes.push(batch.length);
          for (const commit of batch) {
            expect(commit.events).toHaveLength(wide);
            events += commit.events.length;
          }
          if (events === commits * wide) break;
        }
        // 60 commits of some 200 KB each are more than one batch may hold.
        expect(sizes.length).toBeGreaterThan(1);
      });

      it('hands over from the past to the present without a gap or a repeat, whoever appends meanwhile', async () => {
        const writers = 8;
        const each = 100;
        const everything = writers * each;
        const late: Promise<RecordedCommit[]>[] = [firstOf(log, everything)];
        const write = async (writer: number) => {
          let head: ExpectedVersion = 'no-stream';
          for (let n = 0; n < each; n += 1) {
            head = await log.append(streamOf(writer), head, commitOf(1 + (n % 3)));
            if (n % 25 === 0) late.push(firstOf(log, everything));
          }
        };
        await Promise.all(numbersTo(writers).map(write));
        const [first, ...others] = await Promise.all(late);
        expect(new Set(first?.map(({ commit }) => commit)).size).toBe(everything);
        for (const other of others) expect(other.map(({ commit }) => commit)).toEqual(first?.map(({ commit }) => commit));
        for (const writer of numbersTo(writers)) {
          const own = first?.filter(({ stream }) => stream === streamOf(writer)) ?? [];
          expect(versionsOf(own)).toEqual(numbersTo(own.reduce((sum, { events }) => sum + events.length, 0)));
        }
      });

      it('ends when it is aborted, waiting or not, and others go on', async () => {
        const waiting = new AbortController();
        const busy = new AbortController();
        const other = firstOf(log, 2);
        const ended = collect(log.subscribe('start', waiting.signal));
        await log.append(streamA, 'no-stream', commitOf(1));
        const seen: number[] = [];
        for await (const batch of log.subscribe('start', busy.signal)) {
          seen.push(batch.length);
          busy.abort();
        }
        expect(seen).toEqual([1]);
        waiting.abort();
        expect((await ended).flat().length).toBeLessThanOrEqual(1);
        await log.append(streamB, 'no-stream', commitOf(1));
        expect(await other).toHaveLength(2);
        expect(await collect(log.subscribe('start', AbortSignal.abort()))).toEqual([]);
      });

      it('refuses a position of another log, and one that this log has not reached', async () => {
        const [head] = (await appendChain(log, streamA, 1)) as [StreamHead];
        await expect(firstOf(log, 1, { ...head.position, logId: otherLogId })).rejects.toThrow(PositionOfAnotherLog);
        const ahead = firstOf(log, 1, { ...head.position, commit: head.position.commit + 1_000_000 });
        await expect(ahead).rejects.toMatchObject({ code: 'LOG_CORRUPT', message: expect.stringContaining('past the end') });
      });
    });

    describe('close', () => {
      it('lets running appends finish, refuses new ones, and ends subscriptions', async () => {
        const watching = collect(log.subscribe('start', ending.signal));
        const running = Array.from({ length: 100 }, (_, n) => log.append(streamOf(n), 'no-stream', commitOf(1)));
        await Promise.all([log.close(), ...running]);
        await expect(log.append(streamA, 'no-stream', commitOf(1))).rejects.toThrow(LogUnavailable);
        await watching;
      });

      it.skipIf(capabilities.notPersistent)('and opening anew keeps everything, and the log goes on where it was', async () => {
        const heads = await appendChain(log, streamA, 20, 2);
        await inFlight(64, numbersTo(500), (n) => log.append(streamOf(n), 'no-stream', commitOf(1)));
        const { id, namespace } = log;
        const before = await firstOf(log, 520);
        const tail = await log.tail();
        log = await place.reopen();
        expect([log.id, log.namespace]).toEqual([id, namespace]);
        expect(await firstOf(log, 520)).toEqual(before);
        expect(await log.tail()).toEqual(tail);
        expect(await log.head(streamA)).toEqual(heads.at(-1));
        const next = await log.append(streamA, heads.at(-1) as StreamHead, commitOf(1));
        expect(next.version).toBe(40);
        expect(comparePositions(next.position, tail?.position ?? next.position)).toBeGreaterThan(0);
        await expect(log.append(streamOf(7), 'no-stream', commitOf(1))).rejects.toThrow(WrongExpectedVersion);
      });
    });

    it('has an id and a name space of its own', async () => {
      const other = await createLog();
      expect(new Set([log.id, log.namespace, other.log.id, other.log.namespace]).size).toBe(4);
      await other.remove();
    });

    async function firstOf(from: EventLog, count: number, after: StreamHead['position'] | 'start' = 'start'): Promise<RecordedCommit[]> {
      const commits: RecordedCommit[] = [];
      for await (const batch of from.subscribe(after, ending.signal)) {
        expect(batch.length).toBeGreaterThan(0);
        expect(batch.length).toBeLessThanOrEqual(limits.commitsPerBatchMax);
        commits.push(...batch);
        if (commits.length >= count) break;
      }
      expect(commits.length).toBeGreaterThanOrEqual(count);
      return commits.slice(0, count);
    }
  });
}

const userId = '0c0c0c0c-0000-5000-8000-00000000000c' as UserId;
const otherLogId = '00000000-0000-4000-8000-000000000000' as LogId;

function streamOf(number: number): StreamName {
  return `user-${number.toString(16).padStart(8, '0')}-0000-5000-8000-000000000000` as StreamName;
}

function post(text: string, inReplyTo?: { postId: PostId; authorId: UserId }): DomainEvent {
  return { type: 'PostCreated', postId, text, ...(inReplyTo && { inReplyTo }) };
}

function textOf(event: DomainEvent): string {
  return event.type === 'PostCreated' ? event.text : '';
}

function commitOf(events: number, text = 'a post'): NewCommit {
  return { events: Array.from({ length: events }, () => post(text)) as unknown as NewCommit['events'], time: 1_763_700_000_000 };
}

async function appendChain(log: EventLog, stream: StreamName, commits: number, events = 1, text?: string): Promise<StreamHead[]> {
  const heads: StreamHead[] = [];
  for (let n = 0; n < commits; n += 1) heads.push(await log.append(stream, heads.at(-1) ?? 'no-stream', commitOf(events, text)));
  return heads;
}

async function readAll(log: EventLog, stream: StreamName, fromVersion?: number): Promise<RecordedCommit[]> {
  return (await collect(log.read(stream, fromVersion))).flat();
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

function versionsOf(commits: readonly RecordedCommit[]): number[] {
  return commits.flatMap(({ firstVersion, events }) => events.map((_, index) => firstVersion + index));
}

function numbersTo(end: number): number[] {
  return Array.from({ length: end }, (_, number) => number);
}

async function inFlight<T, R>(width: number, items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const worker = async () => {
    while (next < items.length) {
      const at = next;
      next += 1;
      results[at] = await work(items[at] as T);
    }
  };
  await Promise.all(Array.from({ length: width }, worker));
  return results;
}

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import type { Clock } from '../../src/clock.ts';
import { openEventStoreDbLog } from '../../src/events/esdb-log.ts';
import { AppendOutcomeUnknown, LogCorrupt, LogUnavailable, WrongExpectedVersion } from '../../src/events/event-log.ts';
import type { EventLog, ExpectedVersion, NewCommit, RecordedCommit, StreamHead } from '../../src/events/event-log.ts';
import type { PostId, StreamName } from '../../src/events/ids.ts';
import type { Position } from '../../src/events/position.ts';
import { limits } from '../../src/limits.ts';
import { silentLogger } from '../../src/logger.ts';
import { systemRandom } from '../../src/random.ts';
import { refusals } from '../support/esdb-protocol-double/messages.ts';
import { startEsdbDouble } from '../support/esdb-protocol-double/server.ts';
import type { AppendFault, EsdbDouble } from '../support/esdb-protocol-double/server.ts';
import { watchLeaks } from '../support/leaks.ts';
import { createManualClock } from '../support/manual-clock.ts';
import { eventually } from '../support/wait-for.ts';

const stream = 'user-0a0a0a0a-0000-5000-8000-00000000000a' as StreamName;
const other = 'user-0b0b0b0b-0000-5000-8000-00000000000b' as StreamName;

let double: EsdbDouble;
let ending: AbortController;
let opened: EventLog[];
let doubles: EsdbDouble[];

beforeEach(async () => {
  opened = [];
  doubles = [];
  ending = new AbortController();
  double = await start();
});
afterEach(async () => {
  ending.abort();
  await Promise.all(opened.map((log) => log.close()));
  await Promise.all(doubles.map((each) => each.close()));
});

async function start(...store: Parameters<typeof startEsdbDouble>): Promise<EsdbDouble> {
  const started = await startEsdbDouble(...store);
  doubles.push(started);
  return started;
}

async function open(options: { url?: string; space?: string; clock?: Clock } = {}): Promise<EventLog> {
  const { url = double.url, space = 'starling', clock = systemClock } = options;
  const log = await openEventStoreDbLog({ url, space, clock, random: systemRandom, logger: silentLogger });
  opened.push(log);
  return log;
}

describe('an append to EventStoreDB', () => {
  it.each<[AppendFault, 'there' | 'not there']>([
    ['unanswered', 'there'],
    ['lost', 'not there'],
  ])('that is %s is of unknown outcome in bounded time, and the log goes on with what is there', async (fault, found) => {
    const clock = createManualClock();
    const log = await open({ clock });
    double.appendFaults.push(fault);
    const taken = double.calls.appends + 1;
    const append = log.append(stream, 'no-stream', commitOf(2));
    const outcome = expect(append).rejects.toThrow(AppendOutcomeUnknown);
    await eventually(() => double.calls.appends === taken && double.appendFaults.length === 0, 'the server has taken it');
    await clock.advance(limits.esdbAnswerTimeoutMs);
    await outcome;
    const head = await log.head(stream);
    expect(head).toEqual(found === 'there' ? expect.objectContaining({ version: 1 }) : 'no-stream');
    await log.append(stream, head, commitOf(1));
    expect(versionsOf(await readAll(log))).toEqual(found === 'there' ? [0, 1, 2] : [0]);
  });

  it('whose answer comes late does no harm, and neither does it when the next one was faster', async () => {
    const clock = createManualClock();
    const log = await open({ clock });
    double.appendFaults.push('late');
    const outcome = expect(log.append(stream, 'no-stream', commitOf(1))).rejects.toThrow(AppendOutcomeUnknown);
    await eventually(() => double.appendFaults.length === 0, 'the server has taken it');
    await clock.advance(limits.esdbAnswerTimeoutMs);
    await outcome;
    const head = await log.append(stream, 'no-stream', commitOf(3));
    double.release();
    await log.append(other, 'no-stream', commitOf(1));
    expect(await log.head(stream)).toEqual(head);
    expect(await readAll(log)).toHaveLength(1);
  });

  it('for which no leader can be found is given up in bounded time', async () => {
    const clock = createManualClock();
    const log = await open({ clock, url: `esdb://127.0.0.1:${double.port},127.0.0.1:${double.port}?tls=false` });
    await log.append(stream, 'no-stream', commitOf(1));
    double.silentGossip = true;
    // After this answer the client looks for another node.
    double.appendFaults.push(refusals.notReady());
    await expect(log.append(other, 'no-stream', commitOf(1))).rejects.toThrow(LogUnavailable);
    // The client asks each node several times, for a good minute.
    const asked = expect(log.append(other, 'no-stream', commitOf(1))).rejects.toThrow(AppendOutcomeUnknown);
    await clock.advance(limits.esdbAnswerTimeoutMs);
    await asked;
  });

  it.each<[string, AppendFault]>([
    ['breaks off after it was written', 'broken-off'],
    ['takes longer than the server allows itself', refusals.timedOut()],
    ['does not say where it was written', 'no-position'],
  ])('that %s is of unknown outcome', async (_, fault) => {
    const log = await open();
    double.appendFaults.push(fault);
    await expect(log.append(stream, 'no-stream', commitOf(1))).rejects.toThrow(AppendOutcomeUnknown);
    const head = await eventually(async () => await log.head(stream), 'it can be read again');
    expect(await log.append(stream, head, commitOf(1))).toMatchObject({ version: head === 'no-stream' ? 0 : 1 });
  });

  it.each<[string, AppendFault, RegExp]>([
    ['is not the leader', refusals.notLeader('10.0.0.7', 2113), /not the leader, that is 10\.0\.0\.7:2113: name all nodes/],
    ['is read-only and knows no leader', refusals.noLeader(), /read-only and knows no leader: start the other nodes/],
    ['lets this user not write', refusals.accessDenied(), /refuses this user: let it read \$all, and read and write/],
    ['takes less at a time', refusals.tooLarge(1000), /appends of 1000 bytes only: set its MaxAppendSize to 1048576/],
    ['is not ready', refusals.notReady(), /not ready yet, or too busy/],
    ['is too busy', refusals.tooBusy(), /not ready yet, or too busy/],
  ])('to a server that %s is certainly not there, and the error names the cure', async (_, fault, cure) => {
    const log = await open();
    double.appendFaults.push(fault);
    const refused = log.append(stream, 'no-stream', commitOf(1));
    await expect(refused).rejects.toThrow(LogUnavailable);
    await expect(refused).rejects.toThrow(cure);
    expect(double.store.streams.has(`starling.${stream}`)).toBe(false);
  });

  it('with nobody listening is certainly not there, and works again when the server is back', async () => {
    const log = await open();
    const head = await log.append(stream, 'no-stream', commitOf(1));
    await double.stop();
    await expect(log.append(stream, head, commitOf(1))).rejects.toThrow(/EventStoreDB/);
    // The first one may notice the break while it is under way; from then on nothing is sent.
    await expect(log.append(stream, head, commitOf(1))).rejects.toThrow(/cannot be reached: is it running/);
    await expect(log.head(stream)).rejects.toThrow(LogUnavailable);
    await double.restart();
    const next = await eventually(() => log.append(stream, head, commitOf(1)), 'it can append again');
    expect(next.version).toBe(1);
  });

  it('goes to the leader once the server has said where that is', async () => {
    const leader = await start(double.store);
    const log = await open();
    double.refusesLeaderCalls = refusals.notLeader('127.0.0.1', leader.port);
    await expect(log.append(stream, 'no-stream', commitOf(1))).rejects.toThrow(`that is 127.0.0.1:${leader.port}`);
    expect(await eventually(() => log.append(stream, 'no-stream', commitOf(1)), 'the leader answers')).toMatchObject({ version: 0 });
    expect(leader.calls.appends).toBe(1);
    expect(await log.head(stream)).toMatchObject({ version: 0 });
  });

  it('finds the leader by gossip when the URL names several nodes', async () => {
    const leader = await start(double.store);
    for (const node of [double, leader]) node.leader = { host: '127.0.0.1', port: leader.port };
    double.refusesLeaderCalls = refusals.notReady();
    const log = await open({ url: `esdb://127.0.0.1:${double.port},127.0.0.1:${leader.port}?tls=false` });
    await log.append(stream, 'no-stream', commitOf(1));
    expect([double.calls.appends, leader.calls.appends]).toEqual([0, 2]);
  });

  it('is refused for a wrong version however the server words it', async () => {
    const log = await open();
    double.appendFaults.push('older-refusal');
    await expect(log.append(stream, 'no-stream', commitOf(1))).rejects.toThrow(WrongExpectedVersion);
  });

  it('never goes through BatchAppend, offered or not, and gives every event an id of its own', async () => {
    const log = await open();
    await log.append(stream, 'no-stream', commitOf(2));
    double.offersBatchAppend = false;
    await log.append(other, 'no-stream', commitOf(2));
    expect(double.calls).toMatchObject({ appends: 3, batchAppends: 0, features: 0 });
    expect(new Set(double.store.all.map(({ id }) => id)).size).toBe(double.store.all.length);
  });

  it('is not touched by the broken connection of another log in the process', async () => {
    const elsewhere = await start();
    const [log, broken] = [await open(), await open({ url: elsewhere.url })];
    double.appendFaults.push('late');
    elsewhere.appendFaults.push('late');
    const append = log.append(stream, 'no-stream', commitOf(1));
    const lost = expect(broken.append(stream, 'no-stream', commitOf(1))).rejects.toThrow(AppendOutcomeUnknown);
    await eventually(() => double.appendFaults.length + elsewhere.appendFaults.length === 0, 'both are under way');
    await elsewhere.stop();
    await lost;
    double.release();
    expect(await append).toMatchObject({ version: 0 });
  });

  it('to a stream that was deleted in the server, and begun anew, stops', async () => {
    const log = await open();
    double.appendFaults.push('begun-anew');
    await expect(log.append(stream, 'no-stream', commitOf(1))).rejects.toThrow(LogCorrupt);
    double.appendFaults.push(refusals.deleted(`starling.${stream}`));
    await expect(log.append(other, 'no-stream', commitOf(1))).rejects.toThrow(/was deleted in EventStoreDB/);
  });
});

describe('a subscription to EventStoreDB', () => {
  it('goes on after each break where it was, without a gap or a repeat', { timeout: 120_000 }, async () => {
    const log = await open();
    const { seen, following } = follow(log);
    let head: ExpectedVersion = 'no-stream';
    for (let round = 0; round < 6; round += 1) {
      for (let n = 0; n < 20; n += 1) head = await eventually(() => log.append(stream, head, commitOf(1 + (n % 3))), 'appended');
      await eventually(() => versionsOf(seen).at(-1) === (head as StreamHead).version, 'all is seen', 30_000);
      if (round % 2 === 0) double.endSubscriptions();
      else await double.restart();
    }
    expect(versionsOf(seen)).toEqual(Array.from({ length: (head as StreamHead).version + 1 }, (_, version) => version));
    const read = await eventually(() => readAll(log), 'it can be read again');
    expect(seen).toEqual(read);
    ending.abort();
    await following;
  });

  it('waits for a server that is away when it begins', async () => {
    const log = await open();
    const head = await log.append(stream, 'no-stream', commitOf(1));
    await double.stop();
    const { seen } = follow(log, head.position);
    await expect(log.head(stream)).rejects.toThrow(LogUnavailable);
    await double.restart();
    await eventually(() => log.append(stream, head, commitOf(1)), 'it can append again');
    await eventually(() => seen.length === 1, 'it has what came after');
  });

  it('that has fallen silent is made anew, and one that has nothing to say is left alone', async () => {
    const clock = createManualClock();
    const log = await open({ clock });
    const first = await log.append(stream, 'no-stream', commitOf(1));
    const { seen } = follow(log);
    await eventually(() => seen.length === 1, 'it is live');
    const subscriptions = () => double.calls.subscriptions;
    for (let n = 0; n < 3; n += 1) await silence(clock);
    expect(subscriptions()).toBe(1);
    double.silentSubscriptions = true;
    await log.append(stream, first, commitOf(1));
    await silence(clock);
    await eventually(() => double.openReads === 0, 'it has given up the silent one');
    double.silentSubscriptions = false;
    await clock.advance(limits.esdbBackOffMinMs);
    await eventually(() => seen.length === 2, 'the second one brings it');
    expect(subscriptions()).toBe(2);
  });

  it('and a read are ended on the server by whoever leaves their loop', async () => {
    const log = await open();
    await appendMany(log, 300);
    for await (const _ of log.subscribe('start', ending.signal)) break;
    for await (const _ of log.read(stream)) break;
    await log.tail();
    await eventually(() => double.openReads === 0, 'nothing is open on the server');
  });

  it('that nobody takes from holds up neither appends nor other subscriptions', { timeout: 120_000 }, async () => {
    const log = await open();
    const big = 'x'.repeat(limits.postBytesMax);
    const slow = log.subscribe('start', ending.signal)[Symbol.asyncIterator]();
    let head: ExpectedVersion = 'no-stream';
    head = await log.append(stream, head, commitOf(1));
    await slow.next();
    for (let n = 0; n < 60; n += 1) head = await log.append(stream, head, commitOf(50, big));
    const { seen } = follow(log);
    await eventually(() => seen.length === 61, 'the fast one has it all', 30_000);
    expect(await log.head(stream)).toEqual(head);
    await slow.return?.();
  });

  it('stops at what it cannot put together, by its place', async () => {
    const log = await open();
    const head = await log.append(stream, 'no-stream', commitOf(1));
    const strange = { id: '1', type: 'Strange', contentType: 'application/json', data: Buffer.from('{}'), metadata: Buffer.from('{}') };
    double.store.append(`starling.${stream}`, 0, [strange]);
    await expect(follow(log).following).rejects.toThrow(/revision 1 of starling\.user-.*does not say which event of a commit it is/);
    await expect(readAll(log)).rejects.toThrow(LogCorrupt);
    await expect(log.append(stream, head, commitOf(1))).rejects.toThrow(WrongExpectedVersion);
  });

  it('hands out what stands before the place where it stops, and the log tells that it goes on behind it', async () => {
    const log = await open();
    await appendMany(log, 3);
    const strange = { id: '1', type: 'Strange', contentType: 'application/json', data: Buffer.from('{}'), metadata: Buffer.from('{}') };
    double.store.append(`starling.${other}`, 'no-stream', [strange]);
    const { seen, following } = follow(log);
    await expect(following).rejects.toThrow(LogCorrupt);
    expect(versionsOf(seen)).toEqual([0, 1, 2]);
    const place = double.store.all.at(-1)?.position;
    for (const each of [log, await open()])
      expect(await each.tail()).toEqual({ position: { logId: log.id, commit: place, index: 0 }, time: expect.any(Number) });
  });

  it('stops at a commit of which a part is missing', async () => {
    const log = await open();
    await log.append(stream, 'no-stream', commitOf(3));
    const [first, , last] = double.store.streams.get(`starling.${stream}`) ?? [];
    for (const kept of [[first, last], [first]]) {
      double.store.streams.delete(`starling.${other}`);
      double.store.append(`starling.${other}`, 'no-stream', kept as never);
      await expect(log.head(other).then(() => readAll(log, other))).rejects.toThrow(/does not continue|not complete/);
    }
  });
});

describe('a read from EventStoreDB', () => {
  it('that is never answered ends in bounded time', async () => {
    const clock = createManualClock();
    const log = await open({ clock });
    double.readFault = 'unanswered';
    const ended = expect(Promise.allSettled([log.head(stream), readAll(log), log.tail()])).resolves.toEqual(
      Array.from({ length: 3 }, () => ({ status: 'rejected', reason: expect.objectContaining({ code: 'LOG_UNAVAILABLE' }) })),
    );
    await eventually(() => double.openReads === 3, 'the server has all three');
    await clock.advance(2 * limits.esdbAnswerTimeoutMs);
    await ended;
    await eventually(() => double.openReads === 0, 'they are ended there as well');
  });

  it('asks the leader', async () => {
    const log = await open();
    double.refusesLeaderCalls = refusals.notReady();
    for (const asked of [log.head(stream), readAll(log), log.tail()]) await expect(asked).rejects.toThrow(/not ready/);
  });
});

describe('a log in EventStoreDB', () => {
  it('is made once, by however many at a time, and also when the answer is lost', async () => {
    const logs = await Promise.all(Array.from({ length: 8 }, () => open()));
    expect(new Set(logs.map(({ id, namespace }) => `${id} ${namespace}`)).size).toBe(1);
    double.appendFaults.push('no-position');
    const [made, again] = [await open({ space: 'second' }), await open({ space: 'second' })];
    expect(again.id).toBe(made.id);
  });

  it('sees nothing of another one on the same server', async () => {
    const [log, neighbour] = [await open({ space: 'a' }), await open({ space: 'ab' })];
    expect(await log.tail()).toBeUndefined();
    const own = await log.append(stream, 'no-stream', commitOf(2));
    await appendMany(neighbour, 100);
    expect(await log.tail()).toMatchObject({ position: own.position });
    const next = await log.append(other, 'no-stream', commitOf(1));
    await appendMany(neighbour, 100, other);
    expect((await log.tail())?.position).toEqual(next.position);
    const { seen } = follow(log);
    await eventually(() => seen.length === 2, 'it has its own');
    expect(await log.head(stream)).toEqual(own);
    const theirs = double.store.streams.get(`ab.${stream}`)?.[5]?.position ?? 0;
    expect(await log.commitAt({ ...own.position, commit: theirs })).toBeUndefined();
    // Not dense: what others write lies between.
    expect(next.position.commit - own.position.commit).toBeGreaterThan(1_000);
  });

  it.each<[string, () => Parameters<typeof open>[0], RegExp]>([
    [
      'a URL that is none',
      () => ({ url: 'http://admin:secret@127.0.0.1' }),
      /the URL of EventStoreDB is none: write esdb:\/\/user:password@host/,
    ],
    ['a URL that hides refusals', () => ({ url: `${double.url}&throwOnAppendFailure=false` }), /leave it out/],
    ['nobody at the address', () => ({ url: 'esdb://127.0.0.1:1?tls=false' }), /cannot be reached: is it running, and is the URL right/],
    ['a name space with other characters', () => ({ space: 'Our.Space' }), /1 to 32 of a-z, 0-9 and _/],
  ])('refuses %s with the cure and without the password', async (_, options, cure) => {
    const refused = open(options());
    await expect(refused).rejects.toThrow(LogUnavailable);
    await expect(refused).rejects.toThrow(cure);
    await expect(refused).rejects.not.toThrow('secret');
  });

  it('refuses a server that is too old, and a user who may not read everything', async () => {
    double.positionsInStreams = false;
    await expect(open()).rejects.toThrow(/use version 22\.6 or later/);
    double.positionsInStreams = true;
    double.readFault = refusals.accessDenied();
    await expect(open()).rejects.toThrow(/let it read \$all/);
  });

  it('leaves nothing open when it is closed, whatever was under way', async () => {
    const leaks = watchLeaks();
    const log = await open();
    const { following } = follow(log);
    double.appendFaults.push('late');
    const append = log.append(stream, 'no-stream', commitOf(1));
    await eventually(() => double.appendFaults.length === 0, 'it is under way');
    const closed = log.close();
    double.release();
    await Promise.all([closed, append, following]);
    await leaks.expectNone();
  });

  it('loses and doubles nothing while the server restarts under load', { timeout: 120_000 }, async () => {
    const log = await open();
    const { seen } = follow(log);
    const acknowledged: StreamHead[] = [];
    let running = true;
    const writer = async (own: StreamName) => {
      let head: ExpectedVersion | undefined = 'no-stream';
      while (running || head === undefined) {
        try {
          head ??= await log.head(own);
          head = await log.append(own, head, commitOf(2));
          acknowledged.push(head);
        } catch (error) {
          expect(error).not.toBeInstanceOf(WrongExpectedVersion);
          head = undefined;
          await eventually(() => log.head(own), 'the server is back', 30_000);
        }
      }
    };
    const writers = Array.from({ length: 16 }, (_, n) => writer(`user-${n}` as StreamName));
    for (let round = 1; round <= 5; round += 1) {
      const before = acknowledged.length;
      await eventually(() => acknowledged.length > before + 50, 'appends are answered', 30_000);
      await double.restart();
    }
    running = false;
    await Promise.all(writers);
    const end = (await log.tail())?.position.commit;
    await eventually(() => seen.at(-1)?.commit === end, 'all is seen', 30_000);
    const commits = seen.map(({ commit }) => commit);
    expect(new Set(commits).size).toBe(commits.length);
    for (const { position } of acknowledged) expect(commits).toContain(position.commit);
    expect(new Set(acknowledged.map(({ position }) => position.commit)).size).toBe(acknowledged.length);
  });
});

/** Lets time pass until the watchdog of the one subscription has looked for the end of the log. */
async function silence(clock: ReturnType<typeof createManualClock>): Promise<void> {
  // What it asked before must not count as this time's look.
  await eventually(() => double.openReads === 1, 'only the subscription is open');
  const asked = double.calls.reads;
  await eventually(async () => {
    await clock.advance(limits.esdbSilenceMs);
    return double.calls.reads > asked;
  }, 'the watchdog has asked for the end of the log');
}

function follow(
  log: EventLog,
  after: Position | 'start' = 'start',
): { readonly seen: RecordedCommit[]; readonly following: Promise<void> } {
  const seen: RecordedCommit[] = [];
  const following = (async () => {
    for await (const batch of log.subscribe(after, ending.signal)) seen.push(...batch);
  })();
  following.catch(() => {});
  return { seen, following };
}

function commitOf(events: number, text = 'a post'): NewCommit {
  const post = { type: 'PostCreated', postId: '01928374-1234-7abc-8def-0123456789ab' as PostId, text } as const;
  return { events: Array.from({ length: events }, () => post) as unknown as NewCommit['events'], time: 1_763_700_000_000 };
}

async function appendMany(log: EventLog, commits: number, to = stream): Promise<void> {
  let head: ExpectedVersion = 'no-stream';
  for (let n = 0; n < commits; n += 1) head = await log.append(to, head, commitOf(1));
}

async function readAll(log: EventLog, from = stream): Promise<RecordedCommit[]> {
  const commits: RecordedCommit[] = [];
  for await (const batch of log.read(from)) commits.push(...batch);
  return commits;
}

function versionsOf(commits: readonly RecordedCommit[]): number[] {
  return commits.flatMap(({ firstVersion, events }) => events.map((_, index) => firstVersion + index));
}

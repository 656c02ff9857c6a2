import { describe, expect, test } from 'vitest';
import type { Wanted } from '../../../src/actors/command-client.ts';
import type { Answer, CommandEnvelope } from '../../../src/actors/commands.ts';
import { answerMessage, commandFormats, readCommandMessage, refusalMessage } from '../../../src/actors/envelope.ts';
import type { CommandFormats } from '../../../src/actors/envelope.ts';
import { CommandRefused, createCommandClient } from '../../../src/actors/transport-command-client.ts';
import type { CommandId } from '../../../src/events/ids.ts';
import { silentLogger } from '../../../src/logger.ts';
import { limits } from '../../../src/limits.ts';
import { seededRandom } from '../../../src/random.ts';
import { MessageTooLarge, NoResponders, RequestTimeout, TransportClosed } from '../../../src/transport/transport.ts';
import type { Message, Transport } from '../../../src/transport/transport.ts';
import { createSimulatedClock } from '../../simulation/simulated-clock.ts';
import { fixedMembership } from '../../support/fixed-membership.ts';
import { ann, bob, post1, post2 } from './given.ts';

const followBob = { type: 'FollowUser', followeeId: bob } as const;
const logId = 'x';
const accepted = { outcome: 'accepted', position: { logId: 'x', commit: 1, index: 0 }, repeated: false } as Answer;
const rejected: Answer = { outcome: 'rejected', rejection: 'handle-taken' };
const overloaded: Answer = { outcome: 'overloaded', retryAfterMs: 300 };

/** What the network does with one try: an answer at once, or an error after a while. */
type Outcome = Answer | Message | { readonly after: number; readonly error: Error };
const logGone: Answer = { outcome: 'unavailable', reason: 'log-unavailable' };
const noResponders: Outcome = { after: 0, error: new NoResponders('none') };
const timeOut: Outcome = { after: Infinity, error: new RequestTimeout('late') };
const closed: Outcome = { after: 1, error: new TransportClosed('closed') };

/** A client over a network that does this, one thing after the other, the last for ever. */
async function send(outcomes: readonly Outcome[], options: { commandId?: CommandId; deadlineMs?: number } = {}) {
  const clock = createSimulatedClock();
  const begunAt = clock.now();
  const tries: { at: number; timeoutMs: number; envelope: CommandEnvelope }[] = [];
  const request: Transport['request'] = async (_subject, message, { timeoutMs }) => {
    const outcome = outcomes[Math.min(tries.length, outcomes.length - 1)]!;
    const envelopes = readCommandMessage(message) as readonly CommandEnvelope[];
    tries.push({ at: clock.now() - begunAt, timeoutMs, envelope: envelopes[0]! });
    if ('outcome' in outcome) return answerMessage([outcome], message.format);
    if ('type' in outcome) return outcome;
    await clock.sleep(Math.min(outcome.after, timeoutMs));
    throw outcome.error;
  };
  const client = createCommandClient({
    transport: { request } as Transport,
    space: 's',
    membership: fixedMembership(clock),
    clock,
    random: seededRandom(1),
    logger: silentLogger,
  });
  let result: { answer?: Answer; commandId?: CommandId; error?: unknown } | undefined;
  void client.send(ann, followBob, options).then(
    (value) => (result = value),
    (error: unknown) => (result = { error }),
  );
  await clock.runUntil(() => result !== undefined, 60_000);
  return { ...result, tries, tookMs: clock.now() - begunAt, begunAt };
}

test('one try is enough when the answer is certain', async () => {
  expect(await send([accepted])).toMatchObject({ answer: accepted, tookMs: 0, tries: [{ timeoutMs: 5_000 }] });
  expect(await send([rejected])).toMatchObject({ answer: rejected, tookMs: 0 });
});

describe('several commands of one user', () => {
  const wanted = (name: string): Wanted => ({ commandId: name as CommandId, clientChose: false, command: followBob });

  /** Over a network that answers so, a message at a time; `asked` has the ids of each. */
  async function sendAll(
    names: string,
    network: (names: string, tries: number) => readonly Answer[] | Error | Message,
    formats: CommandFormats = commandFormats,
  ) {
    const clock = createSimulatedClock();
    const asked: string[] = [];
    const request: Transport['request'] = async (_subject, message) => {
      const ids = (readCommandMessage(message) as readonly CommandEnvelope[]).map(({ commandId }) => commandId).join('');
      const outcome = network(ids, asked.push(ids));
      if (outcome instanceof Error) throw outcome;
      return 'type' in outcome ? outcome : answerMessage(outcome, message.format);
    };
    const ports = { space: 's', membership: fixedMembership(clock), clock, random: seededRandom(1), logger: silentLogger, formats };
    const client = createCommandClient({ ...ports, transport: { request } as Transport });
    const [first, ...others] = [...names].map(wanted);
    let result: unknown;
    void client.sendAll(ann, [first!, ...others]).then(
      (answers) => (result = answers),
      (error: unknown) => (result = error),
    );
    await clock.runUntil(() => result !== undefined, 60_000);
    return { result, asked };
  }
  const allAccepted = (names: string) =>
    [...names].map((_name, n) => ({ ...accepted, position: { logId, commit: n, index: 0 } }) as Answer);

  test('travel in one message, and each has its own answer', async () => {
    const { result, asked } = await sendAll('abc', allAccepted);
    expect(asked).toEqual(['abc']);
    expect(result).toEqual(allAccepted('abc'));
  });

  test('are told what is certain, and those that found no answer are sent again, alone', async () => {
    const { result, asked } = await sendAll('abcd', (names, tries) =>
      tries === 1 ? [accepted, rejected, overloaded, { outcome: 'unknown' }] : allAccepted(names),
    );
    expect(asked.toSorted()).toEqual(['abcd', 'c', 'd']);
    expect(result).toMatchObject([accepted, rejected, { outcome: 'accepted' }, { outcome: 'accepted' }]);
  });

  test('are all asked about again when their message is lost, and a rejection holds only when no lost one can still be carried out', async () => {
    const { result, asked } = await sendAll('ab', (names, tries) => {
      if (tries === 1) return new TransportClosed('closed');
      return names === 'a' ? [rejected] : [accepted];
    });
    expect(result).toEqual([rejected, accepted]);
    expect(asked.filter((names) => names === 'a').length).toBeGreaterThan(1);
    expect(asked.filter((names) => names === 'b')).toHaveLength(1);
  });

  test.each<[string, Parameters<typeof sendAll>[1], CommandFormats | undefined]>([
    ['some node reads only one in a message', allAccepted, { 1: commandFormats[1]! }],
    ['the wire does not take so many', (names) => (names.length > 1 ? new MessageTooLarge('too large') : allAccepted(names)), undefined],
  ])('go one by one where %s', async (_where, network, formats) => {
    const { result, asked } = await sendAll('abc', network, formats);
    expect(asked.filter((names) => names.length === 1)).toEqual(['a', 'b', 'c']);
    expect(result).toEqual([...'abc'].flatMap(allAccepted));
  });

  test('with fewer answers than there were commands are a bug of ours', async () => {
    const { result } = await sendAll('ab', () => [accepted]);
    expect(result).toBeInstanceOf(CommandRefused);
  });
});

test('a command that some node cannot read yet is not sent, and may be repeated', async () => {
  const clock = createSimulatedClock();
  const { 1: oneByOne, 2: together } = commandFormats;
  let asked = 0;
  const request: Transport['request'] = () => Promise.reject(new Error(`asked ${(asked += 1)} times`));
  const ports = { space: 's', membership: fixedMembership(clock), clock, random: seededRandom(1), logger: silentLogger };
  const client = createCommandClient({ ...ports, formats: { 1: oneByOne!, 2: together! }, transport: { request } as Transport });
  let answer: Answer | undefined;
  const reply = { type: 'CreatePost', postId: post1, text: 'late', inReplyTo: { postId: post2 } } as const;
  void client.send(ann, reply).then((result) => (answer = result.answer));
  await clock.runUntil(() => answer !== undefined, 60_000);
  expect(answer).toEqual({ outcome: 'unavailable', reason: 'upgrade-in-progress' });
  expect(asked).toBe(0);
});

test('an id that the client chose goes along, and is marked as such', async () => {
  const chosen = await send([accepted], { commandId: 'mine' as CommandId });
  expect(chosen.commandId).toBe('mine');
  expect(chosen.tries[0]?.envelope).toMatchObject({ userId: ann, commandId: 'mine', clientChose: true, command: followBob });
  const made = await send([accepted]);
  expect(made.tries[0]?.envelope).toMatchObject({ commandId: made.commandId, clientChose: false });
});

describe('what may pass by itself is tried again under the same id', () => {
  test.each<[string, Outcome]>([
    ['no responder', noResponders],
    ['a time-out', timeOut],
    ['a closed connection', closed],
    ['an overloaded actor', overloaded],
    ['a node that stops', { outcome: 'unavailable', reason: 'stopping' }],
    ['a log that is not there', { outcome: 'unavailable', reason: 'log-unavailable' }],
    ['an unknown outcome', { outcome: 'unknown' }],
    ['a node that does not know the format yet', refusalMessage('newer-format')],
  ])('%s', async (_what, outcome) => {
    const result = await send([outcome, accepted]);
    expect(result.answer).toEqual(accepted);
    expect(result.tries).toHaveLength(2);
    expect(result.tries[0]?.envelope.commandId).toBe(result.tries[1]?.envelope.commandId);
  });

  test('with pauses that grow, and not before an overloaded actor wants', async () => {
    const { tries } = await send([{ outcome: 'unavailable', reason: 'stopping' }]);
    const pauses = tries.slice(1).map(({ at }, n) => at - tries[n]!.at);
    for (const [n, pause] of pauses.slice(0, -1).entries()) {
      const full = Math.min(limits.commandBackOffMaxMs, limits.commandBackOffMinMs * 2 ** n);
      expect(pause).toBeGreaterThanOrEqual(Math.floor(full / 2) - 1);
      expect(pause).toBeLessThanOrEqual(full + 1);
    }
    expect((await send([overloaded, accepted])).tookMs).toBeGreaterThanOrEqual(300);
  });
});

describe('at the deadline', () => {
  test.each<[string, readonly Outcome[], Answer]>([
    ['nobody there: unavailable', [noResponders], { outcome: 'unavailable', reason: 'stopping' }],
    ['overloaded stays overloaded', [overloaded], overloaded],
    [
      'unavailable stays unavailable',
      [{ outcome: 'unavailable', reason: 'deadline-passed' }],
      { outcome: 'unavailable', reason: 'deadline-passed' },
    ],
    ['a log that is gone after a lost try leaves it unknown', [timeOut, logGone], { outcome: 'unknown' }],
    ['time-outs leave the outcome unknown', [timeOut], { outcome: 'unknown' }],
    ['a single time-out leaves it unknown, whatever came after it', [timeOut, overloaded], { outcome: 'unknown' }],
    ['unknown stays unknown', [{ outcome: 'unknown' }], { outcome: 'unknown' }],
  ])('%s', async (_what, outcomes, answer) => {
    const result = await send(outcomes, { deadlineMs: 8_000 });
    expect(result.answer).toEqual(answer);
    expect(result.tookMs).toBeLessThanOrEqual(8_001);
    expect(result.tookMs).toBeGreaterThanOrEqual(7_900);
  });

  test('no try may be begun after its own time-out, so that at most one is alive', async () => {
    const { tries, begunAt } = await send([timeOut]);
    for (const { at, timeoutMs, envelope } of tries) {
      const endsAt = begunAt + at + timeoutMs;
      expect(Math.abs(endsAt - limits.commandDriftMs - envelope.deadline.monotonicMs)).toBeLessThanOrEqual(1);
      expect(envelope.deadline.monotonicMs - begunAt).toBeLessThanOrEqual(limits.commandDeadlineMs + 1);
    }
  });
});

describe('a log that takes nothing', () => {
  test('is told after some tries, long before the deadline', async () => {
    const result = await send([logGone]);
    expect(result.answer).toEqual(logGone);
    expect(result.tries.length).toBeGreaterThan(3);
    expect(result.tookMs).toBeGreaterThan(limits.commandLogUnavailableMs / 4);
    expect(result.tookMs).toBeLessThanOrEqual(limits.commandLogUnavailableMs);
  });

  test('and comes back in time is no trouble', async () => {
    const result = await send([logGone, logGone, logGone, accepted]);
    expect(result.answer).toEqual(accepted);
  });

  test('counts from when it began, not from when nobody was there', async () => {
    const silent = Array.from({ length: 10 }, () => noResponders);
    const result = await send([...silent, logGone, logGone, accepted]);
    expect(result.answer).toEqual(accepted);
  });
});

test('a rejection counts only when no lost try can be carried out after it', async () => {
  const result = await send([closed, rejected]);
  expect(result.answer).toEqual(rejected);
  expect(result.tookMs).toBeGreaterThanOrEqual(limits.commandTryTimeoutMs);
  expect(result.tries).toHaveLength(3);
});

test('a command that no node can read is a bug, and said at once', async () => {
  const result = await send([refusalMessage('malformed')]);
  expect(result.error).toBeInstanceOf(CommandRefused);
  expect(result.tries).toHaveLength(1);
});

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  answerMessage,
  commandFormats,
  commandMessage,
  isStorable,
  parseCommandEnvelope,
  readAnswerMessage,
  readCommandMessage,
} from '../../../src/actors/envelope.ts';
import type { Answer, Command } from '../../../src/actors/commands.ts';
import { fingerprintOf } from '../../../src/actors/fingerprint.ts';
import type { CommandId } from '../../../src/events/ids.ts';
import { limits } from '../../../src/limits.ts';
import { ann, bob, post1, post2, registerAnn } from './given.ts';

const inReplyTo = { postId: post2, authorId: bob };
const commands: Command[] = [
  registerAnn,
  { type: 'FollowUser', followeeId: bob },
  { type: 'UnfollowUser', followeeId: bob },
  { type: 'CreatePost', postId: post1, text: 'naïve 👍' },
  { type: 'CreatePost', postId: post1, text: '', inReplyTo },
  { type: 'DeletePost', postId: post1, authorId: ann },
];
const envelope = (command: Command) => ({
  userId: ann,
  commandId: 'c1' as CommandId,
  clientChose: true,
  deadline: { monotonicMs: 1.5, wallMs: 2 },
  command,
});
/** As over a wire. */
const sent = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;

const replyToGone: Command = { type: 'CreatePost', postId: post1, text: 'late', inReplyTo: { postId: post2 } };

test.each(commands)('a $type arrives as it was sent', (command) => {
  expect(readCommandMessage(sent(commandMessage([envelope(command)], 1)))).toEqual([envelope(command)]);
});

test('a reply to a parent that is gone travels in format 3, and is malformed in those before', () => {
  const messages = [1, 2, 3].map((format) => sent(commandMessage([envelope(replyToGone)], format)));
  expect(messages.map((message) => readCommandMessage(message))).toEqual(['malformed', 'malformed', [envelope(replyToGone)]]);
  expect([1, 2, 3].map((format) => commandFormats[format]!.holds(replyToGone))).toEqual([false, false, true]);
  expect(commands.every((command) => [1, 2, 3].every((format) => commandFormats[format]!.holds(command)))).toBe(true);
});

test.each([2, 3])('in format %d several of one user arrive together, in their order', (format) => {
  const [first, ...others] = commands.map((command, n) => ({ ...envelope(command), commandId: `c${n}` as CommandId }));
  const message = sent(commandMessage([first!, ...others], format));
  expect(readCommandMessage(message)).toEqual([first, ...others]);
  const body = message.body as { commands: unknown[] };
  for (const spoilt of [[], 'x', [...body.commands, { command: null }], Array(limits.commandsTogetherMax + 1).fill(body.commands[1])]) {
    expect(readCommandMessage({ ...message, body: { ...body, commands: spoilt } })).toBe('malformed');
  }
  expect(readCommandMessage({ ...message, body: { ...body, userId: 'x' } })).toBe('malformed');
});

describe('an envelope is malformed', () => {
  const spoilt: [string, (body: Record<string, unknown>) => unknown][] = [
    ['that is no object', () => 'x'],
    ['without a user', (body) => ({ ...body, userId: undefined })],
    ['of a user id in capitals', (body) => ({ ...body, userId: ann.toUpperCase() })],
    ['with an empty command id', (body) => ({ ...body, commandId: '' })],
    ['with a command id that is too long', (body) => ({ ...body, commandId: 'x'.repeat(101) })],
    ['with a command id that breaks lines', (body) => ({ ...body, commandId: 'a\nb' })],
    ['with a deadline in words', (body) => ({ ...body, deadline: 'tomorrow' })],
    ['with no deadline at all', (body) => ({ ...body, deadline: { monotonicMs: Infinity, wallMs: 1 } })],
    ['with a deadline by one clock alone', (body) => ({ ...body, deadline: { monotonicMs: 1 } })],
    ['without its command', (body) => ({ ...body, command: null })],
    ['whose command has no such type', (body) => ({ ...body, command: { type: 'toString' } })],
    ['whose post is no UUIDv7', (body) => ({ ...body, command: { type: 'CreatePost', postId: ann, text: 'x' } })],
    ['whose text is no text', (body) => ({ ...body, command: { type: 'CreatePost', postId: post1, text: 7 } })],
    ['whose text has a NUL', (body) => ({ ...body, command: { type: 'CreatePost', postId: post1, text: 'a\0b' } })],
    ['whose text has half a surrogate pair', (body) => ({ ...body, command: { type: 'CreatePost', postId: post1, text: 'a\ud800b' } })],
    [
      'whose parent is incomplete',
      (body) => ({ ...body, command: { type: 'CreatePost', postId: post1, text: 'x', inReplyTo: { authorId: bob } } }),
    ],
    [
      'whose parent is nobody of ours',
      (body) => ({ ...body, command: { type: 'CreatePost', postId: post1, text: 'x', inReplyTo: { postId: post2, authorId: 'bob' } } }),
    ],
    ['that does not say who chose its id', (body) => ({ ...body, clientChose: 'yes' })],
    ['whose followee is nobody of ours', (body) => ({ ...body, command: { type: 'FollowUser', followeeId: 'bob' } })],
    ['whose post to delete has no author', (body) => ({ ...body, command: { type: 'DeletePost', postId: post1 } })],
    ['whose handle is none', (body) => ({ ...body, command: { ...registerAnn, handle: 'no handle' } })],
    ['without a name', (body) => ({ ...body, command: { ...registerAnn, name: undefined } })],
    ['without a password hash', (body) => ({ ...body, command: { ...registerAnn, passwordHash: '' } })],
    ['whose password hash is endless', (body) => ({ ...body, command: { ...registerAnn, passwordHash: 'x'.repeat(5_000) } })],
    ['whose name is endless', (body) => ({ ...body, command: { ...registerAnn, name: 'x'.repeat(5_000) } })],
  ];
  test.each(spoilt)('%s', (_what, spoil) => {
    expect(parseCommandEnvelope(spoil(envelope({ type: 'FollowUser', followeeId: bob })))).toBeUndefined();
  });

  test('or read, whatever it is, but never throws', () => {
    fc.assert(fc.property(fc.anything(), (body) => void parseCommandEnvelope(body)));
  });

  test('and carries over nothing that was not asked for', () => {
    const body = { ...envelope({ type: 'FollowUser', followeeId: bob, admin: true } as unknown as Command), extra: 1 };
    expect(parseCommandEnvelope(body)).toEqual(envelope({ type: 'FollowUser', followeeId: bob }));
  });
});

test.each<Answer>([
  { outcome: 'accepted', position: { logId: 'x' as never, commit: 1, index: 0 }, repeated: true, postId: post1 },
  { outcome: 'rejected', rejection: 'post-empty' },
  { outcome: 'overloaded', retryAfterMs: 5 },
  { outcome: 'unavailable', reason: 'stopping' },
  { outcome: 'unknown' },
])('an answer arrives: $outcome', (answer) => {
  expect(readAnswerMessage(sent(answerMessage([answer], 1)))).toEqual([answer]);
  expect(readAnswerMessage(sent(answerMessage([answer, answer], 2)))).toEqual([answer, answer]);
});

test('an answer that nobody knows is malformed', () => {
  for (const body of [null, 'x', {}, { outcome: 'perhaps' }, { outcome: 'rejected', rejection: 'too-late' }, { outcome: 'accepted' }]) {
    expect(readAnswerMessage({ type: 'Answer', format: 1, body })).toBe('malformed');
    expect(readAnswerMessage({ type: 'Answer', format: 2, body: [body] })).toBe('malformed');
  }
});

test('emoji, accents and line breaks can be stored', () => {
  expect(isStorable('👨‍👩‍👧 e\u0301\n')).toBe(true);
});

describe('a fingerprint', () => {
  test('tells wishes apart', () => {
    const wishes: Command[] = [
      ...commands,
      { type: 'FollowUser', followeeId: ann },
      { type: 'CreatePost', postId: post1, text: 'naïve' },
      { type: 'DeletePost', postId: post2, authorId: ann },
    ];
    expect(new Set(wishes.map(fingerprintOf)).size).toBe(wishes.length);
  });

  test('leaves out secrets, what the sender makes up, and facts about others', () => {
    expect(fingerprintOf({ ...registerAnn, passwordHash: 'other' } as Command)).toBe(fingerprintOf(registerAnn));
    const reply = { type: 'CreatePost', text: 'x', inReplyTo } as const;
    expect(fingerprintOf({ ...reply, postId: post1 })).toBe(
      fingerprintOf({ ...reply, postId: post2, inReplyTo: { ...inReplyTo, authorId: ann } }),
    );
  });

  test('is the same for ever: it stands in the log', () => {
    expect(fingerprintOf({ type: 'FollowUser', followeeId: bob })).toMatchInlineSnapshot(`"NZym1bilOky"`);
  });
});

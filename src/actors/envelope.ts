import type { NonEmpty } from '../events/event-log.ts';
import { parseCommandId, parseHandle, parsePostId, parseUserId } from '../events/ids.ts';
import { limits } from '../limits.ts';
import type { Message } from '../transport/transport.ts';
import { rejections } from './commands.ts';
import type { Answer, Command, CommandEnvelope, Rejection } from './commands.ts';
import type { Deadline } from './deadline.ts';

// How commands and answers travel. What comes from another node is checked here and trusted inside.

/** Of refusals; answers travel in the format of their commands. */
const refusalFormat = 1;

/** A shape in which commands of one user travel that have one deadline. */
export interface CommandFormat {
  /** As many fit into one message. */
  readonly commandsMax: number;
  /** False for what its readers would call malformed. */
  holds(command: Command): boolean;
  write(envelopes: NonEmpty<CommandEnvelope>): unknown;
  read(body: unknown): NonEmpty<CommandEnvelope> | undefined;
  writeAnswers(answers: readonly Answer[]): unknown;
  readAnswers(body: unknown): readonly Answer[] | undefined;
}

const oneByOne: CommandFormat = {
  commandsMax: 1,
  holds: hasKnownParent,
  write: ([envelope]) => envelope,
  read(body) {
    const envelope = parseCommandEnvelope(body);
    return envelope && hasKnownParent(envelope.command) ? [envelope] : undefined;
  },
  writeAnswers: ([answer]) => answer,
  readAnswers(body) {
    const answer = parseAnswer(body);
    return answer && [answer];
  },
};

/** Several, and replies to parents that are gone. */
const withGoneParents: CommandFormat = {
  commandsMax: limits.commandsTogetherMax,
  holds: () => true,
  write: (envelopes) => ({
    userId: envelopes[0].userId,
    deadline: envelopes[0].deadline,
    commands: envelopes.map(({ commandId, clientChose, command }) => ({ commandId, clientChose, command })),
  }),
  read(body) {
    const to = parseAddress(body);
    const commands = isRecord(body) && body['commands'];
    if (!to || !Array.isArray(commands) || commands.length > limits.commandsTogetherMax) return undefined;
    return allOf(commands, (each) => parseCommandOf(each, to));
  },
  writeAnswers: (answers) => answers,
  readAnswers: (body) => (Array.isArray(body) ? allOf(body, parseAnswer) : undefined),
};

/** Several. */
const together: CommandFormat = {
  ...withGoneParents,
  holds: hasKnownParent,
  read(body) {
    const envelopes = withGoneParents.read(body);
    return envelopes?.every(({ command }) => hasKnownParent(command)) ? envelopes : undefined;
  },
};

/**
 * Every format of a command that this version reads; the number of a format is the generation of messages that came with it. A sender
 * uses the newest one that all nodes understand.
 */
export type CommandFormats = { readonly [format: number]: CommandFormat };
export const commandFormats: CommandFormats = { 1: oneByOne, 2: together, 3: withGoneParents };

export function newestFormat(formats: CommandFormats): number {
  return Math.max(...Object.keys(formats).map(Number));
}

/**
 * Why a node will not touch a message: an older or newer node spoke, or there is a bug; `placed-elsewhere`: by its own view the user is
 * another node's. Certainly nothing was carried out.
 */
export type Refusal = 'unknown-type' | 'newer-format' | 'malformed' | 'placed-elsewhere';

export function commandMessage(envelopes: NonEmpty<CommandEnvelope>, format: number, formats: CommandFormats = commandFormats): Message {
  return { type: 'Command', format, body: formats[format]!.write(envelopes) };
}

/** `format`: that of the commands. */
export function answerMessage(answers: readonly Answer[], format: number, formats: CommandFormats = commandFormats): Message {
  return { type: 'Answer', format, body: formats[format]!.writeAnswers(answers) };
}

export function refusalMessage(refusal: Refusal): Message {
  return { type: 'Refusal', format: refusalFormat, body: { refusal } };
}

export function readCommandMessage(message: Message, formats: CommandFormats = commandFormats): NonEmpty<CommandEnvelope> | Refusal {
  if (message.type !== 'Command') return 'unknown-type';
  const known = formats[message.format];
  return known === undefined ? 'newer-format' : (known.read(message.body) ?? 'malformed');
}

/** One answer for each command, in their order. */
export function readAnswerMessage(message: Message, formats: CommandFormats = commandFormats): readonly Answer[] | Refusal {
  if (message.type === 'Refusal') return message.format === refusalFormat ? (message.body as { refusal: Refusal }).refusal : 'newer-format';
  if (message.type !== 'Answer') return 'unknown-type';
  const known = formats[message.format];
  return known === undefined ? 'newer-format' : (known.readAnswers(message.body) ?? 'malformed');
}

/** The envelope, made anew of checked parts, or undefined when anything is missing, of another type, or not what its constructor would accept. */
export function parseCommandEnvelope(body: unknown): CommandEnvelope | undefined {
  const to = parseAddress(body);
  return to && parseCommandOf(body, to);
}

type Address = Pick<CommandEnvelope, 'userId' | 'deadline'>;

function parseAddress(body: unknown): Address | undefined {
  if (!isRecord(body)) return undefined;
  const userId = parsed(body['userId'], parseUserId);
  const deadline = parseDeadline(body['deadline']);
  return userId && deadline && { userId, deadline };
}

function parseCommandOf(body: unknown, { userId, deadline }: Address): CommandEnvelope | undefined {
  if (!isRecord(body)) return undefined;
  const commandId = parsed(body['commandId'], parseCommandId);
  const command = parseCommand(body['command']);
  const { clientChose } = body;
  if (!commandId || !command || typeof clientChose !== 'boolean') return undefined;
  return { userId, commandId, clientChose, deadline, command };
}

function parseDeadline(body: unknown): Deadline | undefined {
  if (!isRecord(body)) return undefined;
  const { monotonicMs, wallMs } = body;
  return Number.isFinite(monotonicMs) && Number.isFinite(wallMs)
    ? { monotonicMs: monotonicMs as number, wallMs: wallMs as number }
    : undefined;
}

function parseCommand(body: unknown): Command | undefined {
  if (!isRecord(body)) return undefined;
  switch (body['type']) {
    case 'RegisterUser': {
      const handle = parsed(body['handle'], parseHandle);
      const name = parsed(body['name'], parseText);
      const passwordHash = parsed(body['passwordHash'], parseText);
      if (!handle || name === undefined || !passwordHash || name.length > limits.nameLengthMax) return undefined;
      if (passwordHash.length > limits.passwordHashLengthMax) return undefined;
      return { type: 'RegisterUser', handle, name, passwordHash };
    }
    case 'FollowUser':
    case 'UnfollowUser': {
      const followeeId = parsed(body['followeeId'], parseUserId);
      return followeeId && { type: body['type'], followeeId };
    }
    case 'CreatePost': {
      const postId = parsed(body['postId'], parsePostId);
      const text = parsed(body['text'], parseText);
      if (!postId || text === undefined) return undefined;
      if (body['inReplyTo'] === undefined) return { type: 'CreatePost', postId, text };
      const inReplyTo = parseParent(body['inReplyTo']);
      return inReplyTo && { type: 'CreatePost', postId, text, inReplyTo };
    }
    case 'DeletePost': {
      const reference = parseReference(body);
      return reference && { type: 'DeletePost', ...reference };
    }
    default:
      return undefined;
  }
}

function parseReference(body: unknown) {
  if (!isRecord(body)) return undefined;
  const postId = parsed(body['postId'], parsePostId);
  const authorId = parsed(body['authorId'], parseUserId);
  return postId && authorId && { postId, authorId };
}

function hasKnownParent(command: Command): boolean {
  return command.type !== 'CreatePost' || command.inReplyTo === undefined || command.inReplyTo.authorId !== undefined;
}

/** A post that is gone has no author. */
function parseParent(body: unknown) {
  if (!isRecord(body) || body['authorId'] !== undefined) return parseReference(body);
  const postId = parsed(body['postId'], parsePostId);
  return postId && { postId };
}

function parseAnswer(body: unknown): Answer | undefined {
  if (!isRecord(body)) return undefined;
  switch (body['outcome']) {
    case 'accepted':
      return isRecord(body['position']) && typeof body['repeated'] === 'boolean' ? (body as unknown as Answer) : undefined;
    case 'rejected':
      return rejections.includes(body['rejection'] as Rejection) ? (body as unknown as Answer) : undefined;
    case 'overloaded':
      return Number.isFinite(body['retryAfterMs']) ? (body as unknown as Answer) : undefined;
    case 'unavailable':
    case 'unknown':
      return body as unknown as Answer;
    default:
      return undefined;
  }
}

/** NUL and halves of surrogate pairs have no place in UTF-8 text or in PostgreSQL: once in an event, they would stop every projection. */
const unstorable = /[\0\p{Surrogate}]/u;

/** Can a text that a user wrote be stored? Whoever takes texts from users asks before sending a command, since actors refuse them. */
export function isStorable(text: string): boolean {
  return !unstorable.test(text);
}

function parseText(text: string): string | undefined {
  return isStorable(text) ? text : undefined;
}

function parsed<T>(value: unknown, parse: (text: string) => T | undefined): T | undefined {
  return typeof value === 'string' ? parse(value) : undefined;
}

/** All that `read` makes of them, or undefined when there are none or it makes nothing of one. */
function allOf<T>(values: readonly unknown[], read: (value: unknown) => T | undefined): NonEmpty<T> | undefined {
  const all: T[] = [];
  for (const value of values) {
    const one = read(value);
    if (one === undefined) return undefined;
    all.push(one);
  }
  return all.length === 0 ? undefined : (all as unknown as NonEmpty<T>);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

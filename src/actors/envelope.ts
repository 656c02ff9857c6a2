import { parseCommandId, parseHandle, parsePostId, parseUserId } from '../events/ids.ts';
import { limits } from '../limits.ts';
import type { Message } from '../transport/transport.ts';
import { rejections } from './commands.ts';
import type { Answer, Command, CommandEnvelope, Rejection } from './commands.ts';
import type { Deadline } from './deadline.ts';

// How commands and answers travel. What comes from another node is checked here and trusted inside.

/** Of answers and refusals. */
const format = 1;

/** A shape in which commands travel. */
export interface CommandFormat {
  write(envelope: CommandEnvelope): unknown;
  read(body: unknown): CommandEnvelope | undefined;
}

/**
 * Every format of a command that this version reads; the number of a format is the generation of messages that came with it. A sender
 * uses the newest one that all nodes understand.
 */
export type CommandFormats = { readonly [format: number]: CommandFormat };
export const commandFormats: CommandFormats = { 1: { write: (envelope) => envelope, read: parseCommandEnvelope } };

export function newestFormat(formats: CommandFormats): number {
  return Math.max(...Object.keys(formats).map(Number));
}

/**
 * Why a node will not touch a message: an older or newer node spoke, or there is a bug; `placed-elsewhere`: by its own view the user is
 * another node's. Certainly nothing was carried out.
 */
export type Refusal = 'unknown-type' | 'newer-format' | 'malformed' | 'placed-elsewhere';

export function commandMessage(envelope: CommandEnvelope, inFormat = 1, formats: CommandFormats = commandFormats): Message {
  return { type: 'Command', format: inFormat, body: formats[inFormat]!.write(envelope) };
}

export function answerMessage(answer: Answer): Message {
  return { type: 'Answer', format, body: answer };
}

export function refusalMessage(refusal: Refusal): Message {
  return { type: 'Refusal', format, body: { refusal } };
}

export function readCommandMessage(message: Message, formats: CommandFormats = commandFormats): CommandEnvelope | Refusal {
  if (message.type !== 'Command') return 'unknown-type';
  const known = formats[message.format];
  return known === undefined ? 'newer-format' : (known.read(message.body) ?? 'malformed');
}

export function readAnswerMessage(message: Message): Answer | Refusal {
  if (message.format !== format) return 'newer-format';
  if (message.type === 'Refusal') return (message.body as { refusal: Refusal }).refusal;
  if (message.type !== 'Answer') return 'unknown-type';
  return parseAnswer(message.body) ?? 'malformed';
}

/** The envelope, made anew of checked parts, or undefined when anything is missing, of another type, or not what its constructor would accept. */
export function parseCommandEnvelope(body: unknown): CommandEnvelope | undefined {
  if (!isRecord(body)) return undefined;
  const userId = parsed(body['userId'], parseUserId);
  const commandId = parsed(body['commandId'], parseCommandId);
  const command = parseCommand(body['command']);
  const deadline = parseDeadline(body['deadline']);
  const { clientChose } = body;
  if (!userId || !commandId || !command || typeof clientChose !== 'boolean' || !deadline) return undefined;
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
      const inReplyTo = parseReference(body['inReplyTo']);
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

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

import { v4 as uuidV4, v5 as uuidV5, v7 as uuidV7 } from 'uuid';
import type { Clock } from '../clock.ts';
import { limits } from '../limits.ts';
import type { Random } from '../random.ts';

declare const brand: unique symbol;
type Branded<Base, Name extends string> = Base & { readonly [brand]: Name };

/** UUIDv5 of a handle in the log's name space: whoever registers a handle first owns the stream of that id. */
export type UserId = Branded<string, 'UserId'>;
/** UUIDv7: carries the time it was made. */
export type PostId = Branded<string, 'PostId'>;
/** 1 to 30 of a-z 0-9 _; never renamed, never given again. */
export type Handle = Branded<string, 'Handle'>;
/** 1 to 100 printable characters, chosen by the client or made by the gateway. */
export type CommandId = Branded<string, 'CommandId'>;
export type RunId = Branded<string, 'RunId'>;
/** The name of a stream: `user-<UserId>`, `runs`, or `process-<name>`. */
export type StreamName = Branded<string, 'StreamName'>;
/** UUID made with the log; positions and cursors of another log are refused. */
export type LogId = Branded<string, 'LogId'>;

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const uuid7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const userStream = /^user-([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})$/;
const handlePattern = new RegExp(`^[A-Za-z0-9_]{1,${limits.handleLengthMax}}$`);
// Printable, no control characters: a command id appears in logs and metadata.
const commandIdPattern = new RegExp(`^[^\\p{C}]{1,${limits.commandIdLengthMax}}$`, 'u');

export const runsStream = 'runs' as StreamName;

/** The handle in lower case, or undefined. Checked before it is lowered: the Kelvin sign lower-cases to an ordinary k. */
export function parseHandle(text: string): Handle | undefined {
  return handlePattern.test(text) ? (text.toLowerCase() as Handle) : undefined;
}

export function parseUserId(text: string): UserId | undefined {
  return uuid.test(text) ? (text as UserId) : undefined;
}

export function parsePostId(text: string): PostId | undefined {
  return uuid7.test(text) ? (text as PostId) : undefined;
}

export function parseCommandId(text: string): CommandId | undefined {
  return commandIdPattern.test(text) ? (text as CommandId) : undefined;
}

export function parseRunId(text: string): RunId | undefined {
  return uuid7.test(text) ? (text as RunId) : undefined;
}

export function parseLogId(text: string): LogId | undefined {
  return uuid.test(text) ? (text as LogId) : undefined;
}

/** `namespace`: the random name space of the log, a UUID (`EventLog.namespace`). */
export function userIdOf(handle: Handle, namespace: string): UserId {
  return uuidV5(handle, namespace) as UserId;
}

export function userStreamOf(userId: UserId): StreamName {
  return `user-${userId}` as StreamName;
}

/** The user whose stream it is, or undefined for streams of the system. */
export function userOfStream(stream: StreamName): UserId | undefined {
  return userStream.exec(stream)?.[1] as UserId | undefined;
}

export function newPostId(clock: Clock, random: Random): PostId {
  return uuidV7({ msecs: clock.now(), random: random.bytes(16) }) as PostId;
}

export function newRunId(clock: Clock, random: Random): RunId {
  return uuidV7({ msecs: clock.now(), random: random.bytes(16) }) as RunId;
}

export function newCommandId(random: Random): CommandId {
  return Buffer.from(random.bytes(16)).toString('base64url') as CommandId;
}

export function newLogId(random: Random): LogId {
  return uuidV4({ random: random.bytes(16) }) as LogId;
}

/** The id of one stored event, for an engine that wants one of each. */
export function newEventId(random: Random): string {
  return uuidV4({ random: random.bytes(16) });
}

/** A random name space for the ids of users: made once, with the log. */
export function newNamespace(random: Random): string {
  return uuidV4({ random: random.bytes(16) });
}

import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { parseCommandId, parseHandle, parsePostId, parseUserId, userIdOf } from '../../events/ids.ts';
import type { CommandId, LogId, PostId, UserId } from '../../events/ids.ts';
import { parsePosition } from '../../events/position.ts';
import type { Position } from '../../events/position.ts';
import { limits } from '../../limits.ts';
import { JobFailed } from '../control-protocol.ts';

// What load clients write down, for verify to hold against the log: files of one JSON object on each line. Whoever writes them must write what it was
// told, and nothing else; the order of lines matters only among those of one subscriber.

/** Who it is about: `handle` in any case, or `userId`. */
export type WhoRecord = { readonly handle: string } | { readonly userId: string };

/** `--acknowledged FILE`: the last answer that a client got to a command whose id it chose, after all its repetitions. */
export type CommandRecord = WhoRecord & {
  readonly commandId: string;
  /** `accepted`: no userErrors, and a position. `rejected`: userErrors. `unknown`: the client gave up without an answer; then one effect is right, and none. */
  readonly outcome: 'accepted' | 'rejected' | 'unknown';
  /** Of the payload, as it came. */
  readonly position?: string;
  /** The mutation; shown where something is wrong. */
  readonly type?: string;
};

/**
 * `--pushes FILE`: what a subscriber got, over all its connections: after a broken one it resumes with `after`, the last cursor that it has.
 * - `subscribed`, first: of whose home timeline, or whose own posts (`user`); `since`: from which position on it should have got everything. Without it
 *   nothing before the first push is expected.
 * - `pushed`, for each push in the order in which they came.
 * - `until`, last: up to which position it has waited for everything. Without it nothing after the last push is expected.
 */
export type PushRecord =
  | (WhoRecord & {
      readonly kind: 'subscribed';
      readonly subscriber: string;
      readonly timeline: 'home' | 'user';
      readonly since?: string;
    })
  | { readonly kind: 'pushed'; readonly subscriber: string; readonly postId: string }
  | { readonly kind: 'until'; readonly subscriber: string; readonly position: string };

export interface CommandAnswer {
  readonly userId: UserId;
  readonly commandId: CommandId;
  readonly outcome: CommandRecord['outcome'];
  readonly position: Position | undefined;
  readonly type: string;
}

export interface Subscriber {
  readonly name: string;
  readonly timeline: 'home' | 'user';
  readonly userId: UserId;
  readonly since: Position | undefined;
  until: Position | undefined;
  /** In the order in which they came. */
  readonly pushes: PostId[];
}

interface Log {
  readonly id: LogId;
  readonly namespace: string;
}

/** @throws {JobFailed} naming the line that is no such record. */
export async function readCommandRecords(file: string, log: Log): Promise<CommandAnswer[]> {
  const answers: CommandAnswer[] = [];
  for await (const { record, wrong } of linesOf(file)) {
    const commandId = parseCommandId(textOf(record['commandId']));
    if (commandId === undefined) throw wrong('"commandId" is missing or none');
    const outcome = (['accepted', 'rejected', 'unknown'] as const).find((name) => name === record['outcome']);
    if (outcome === undefined) throw wrong('"outcome" is accepted, rejected or unknown');
    const type = typeof record['type'] === 'string' ? record['type'] : 'command';
    answers.push({ userId: whoOf(record, log, wrong), commandId, outcome, position: positionOf(record, 'position', log, wrong), type });
  }
  return answers;
}

/** @throws {JobFailed} naming the line that is no such record. */
export async function readPushRecords(file: string, log: Log): Promise<Subscriber[]> {
  const subscribers = new Map<string, Subscriber>();
  for await (const { record, wrong } of linesOf(file)) {
    const { kind, subscriber: name } = record;
    if (typeof name !== 'string' || name === '') throw wrong('"subscriber" is missing');
    const known = subscribers.get(name);
    if (kind === 'subscribed') {
      const { timeline } = record;
      if (known) throw wrong(`"${name}" has subscribed before`);
      if (timeline !== 'home' && timeline !== 'user') throw wrong('"timeline" is home or user');
      const since = positionOf(record, 'since', log, wrong);
      subscribers.set(name, { name, timeline, userId: whoOf(record, log, wrong), since, until: undefined, pushes: [] });
    } else if (known === undefined) {
      throw wrong(`"${name}" has not subscribed before`);
    } else if (kind === 'pushed') {
      const postId = parsePostId(textOf(record['postId']));
      if (postId === undefined) throw wrong('"postId" is missing or none');
      known.pushes.push(postId);
    } else if (kind === 'until') {
      known.until = positionOf(record, 'position', log, wrong);
    } else {
      throw wrong('"kind" is subscribed, pushed or until');
    }
  }
  return [...subscribers.values()];
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

type Wrong = (what: string) => JobFailed;

function whoOf({ handle, userId }: Readonly<Record<string, unknown>>, log: Log, wrong: Wrong): UserId {
  const known = parseHandle(textOf(handle));
  const who = parseUserId(textOf(userId)) ?? (known && userIdOf(known, log.namespace));
  if (who === undefined) throw wrong('"handle" or "userId" is missing or none');
  return who;
}

function positionOf(record: Readonly<Record<string, unknown>>, name: string, log: Log, wrong: Wrong): Position | undefined {
  const text = record[name];
  if (text === undefined || text === null) return undefined;
  const position = parsePosition(textOf(text));
  if (position === undefined) throw wrong(`"${name}" is no position`);
  if (position.logId !== log.id) throw wrong(`"${name}" is a position of another log`);
  return position;
}

async function* linesOf(file: string): AsyncGenerator<{ record: Readonly<Record<string, unknown>>; wrong: Wrong }> {
  let number = 0;
  const wrong = (what: string) => new JobFailed('RECORD_INVALID', `${file}:${number}: ${what}`);
  try {
    for await (const line of createInterface({ input: createReadStream(file), crlfDelay: Infinity })) {
      number += 1;
      if (line.trim() === '') continue;
      if (number > limits.verifyRecordsMax) throw wrong(`a file holds at most ${limits.verifyRecordsMax} records`);
      yield { record: parseLine(line, wrong), wrong };
    }
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'EACCES' || code === 'EISDIR')
      throw new JobFailed('NO_SUCH_FILE', `${file}: cannot be read (${code})`, { cause });
    throw cause;
  }
}

function parseLine(line: string, wrong: Wrong): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch {
    // Told below: the parser's message quotes the line.
  }
  throw wrong('a JSON object is wanted');
}

import { crc32 } from 'node:zlib';
import { limits } from '../limits.ts';
import { parseLogId } from './ids.ts';
import type { LogId } from './ids.ts';

/** A place in the one order of all events: strictly rising in commit order, not dense. */
export interface Position {
  readonly logId: LogId;
  /** Number of the commit in the log; the first is 1. */
  readonly commit: number;
  /** Index of the event in its commit, from 0. */
  readonly index: number;
}

export function comparePositions(a: Position, b: Position): number {
  return a.commit - b.commit || a.index - b.index;
}

/** The position of the last event of a commit: all of the commit lies at or before it. */
export function lastPositionOf(logId: LogId, commit: { readonly commit: number; readonly events: readonly unknown[] }): Position {
  return { logId, commit: commit.commit, index: commit.events.length - 1 };
}

const placesPerCommit = BigInt(limits.eventsPerCommitMax);

/** Commit and index in one number that fits a signed 64-bit integer and sorts as positions do; what SQL stores. */
export function placeOf(position: Position): bigint {
  return BigInt(position.commit) * placesPerCommit + BigInt(position.index);
}

/** The inverse of `placeOf`; text because SQL drivers hand out 64-bit integers as text. */
export function positionOf(logId: LogId, place: bigint | string): Position {
  const whole = BigInt(place);
  return { logId, commit: Number(whole / placesPerCommit), index: Number(whole % placesPerCommit) };
}

// version (1) | log id (16) | commit (8) | index (2) | CRC-32 of what stands before (4); big-endian
const formatVersion = 1;
const checkedBytes = 27;
const formattedBytes = 31;
const formattedPattern = /^[A-Za-z0-9_-]{42}$/;

/** An opaque text for clients: 42 characters of base64url, with a checksum, so that an altered or cut one is not mistaken for another place. */
export function formatPosition(position: Position): string {
  const bytes = Buffer.allocUnsafe(formattedBytes);
  bytes[0] = formatVersion;
  bytes.write(position.logId.replaceAll('-', ''), 1, 'hex');
  bytes.writeBigUInt64BE(BigInt(position.commit), 17);
  bytes.writeUInt16BE(position.index, 25);
  bytes.writeUInt32BE(crc32(bytes.subarray(0, checkedBytes)), checkedBytes);
  return bytes.toString('base64url');
}

/** Undefined for whatever `formatPosition` did not make. Whether it belongs to this log is for the caller to check. */
export function parsePosition(text: string): Position | undefined {
  if (!formattedPattern.test(text)) return undefined;
  const bytes = Buffer.from(text, 'base64url');
  // The last character carries spare bits: only one of its spellings is ours.
  if (bytes[0] !== formatVersion || bytes.toString('base64url') !== text) return undefined;
  if (bytes.readUInt32BE(checkedBytes) !== crc32(bytes.subarray(0, checkedBytes))) return undefined;
  const hex = bytes.toString('hex', 1, 17);
  const logId = parseLogId(`${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`);
  const commit = Number(bytes.readBigUInt64BE(17));
  const index = bytes.readUInt16BE(25);
  if (logId === undefined || !Number.isSafeInteger(commit) || index >= limits.eventsPerCommitMax) return undefined;
  return { logId, commit, index };
}

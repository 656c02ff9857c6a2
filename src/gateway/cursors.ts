import { crc32 } from 'node:zlib';
import type { LogId, UserId } from '../events/ids.ts';
import type { Position } from '../events/position.ts';
import { limits } from '../limits.ts';
import { cursorInvalid } from './errors.ts';

/** Which connection a cursor belongs to. A home timeline names no viewer, so that all who are pushed one entry may share its bytes. */
export type CursorKind = 'home' | 'public' | `user/${UserId}` | `followers/${UserId}` | `following/${UserId}` | 'runs';

// version (1) | log id (16) | commit (8) | index (2) | id of the entry (16) | checksum (4); big-endian
const formatVersion = 1;
const checkedBytes = 43;
const formattedBytes = 47;
const formattedPattern = /^[A-Za-z0-9_-]{63}$/;

/**
 * An entry of a connection as an opaque text of 63 characters. `id`: of the entry, a UUID. The checksum (CRC-32) is over the kind too, which needs no
 * bytes of its own: a cursor of another connection looks like an altered one. It guards against mistakes; whoever forges one learns nothing by it.
 */
export function formatCursor(kind: CursorKind, position: Position, id: string): string {
  const bytes = Buffer.allocUnsafe(formattedBytes);
  bytes[0] = formatVersion;
  bytes.write(position.logId.replaceAll('-', ''), 1, 'hex');
  bytes.writeBigUInt64BE(BigInt(position.commit), 17);
  bytes.writeUInt16BE(position.index, 25);
  bytes.write(id.replaceAll('-', ''), 27, 'hex');
  bytes.writeUInt32BE(checksum(kind, bytes), checkedBytes);
  return bytes.toString('base64url');
}

/** The position of a cursor that `formatCursor` made for the same connection of the same log. @throws CURSOR_INVALID for any other text. */
export function parseCursor(kind: CursorKind, text: string, logId: LogId): Position {
  if (!formattedPattern.test(text)) throw cursorInvalid();
  const bytes = Buffer.from(text, 'base64url');
  // The last character carries spare bits: only one of its spellings is ours.
  if (bytes.toString('base64url') !== text) throw cursorInvalid();
  if (bytes[0] !== formatVersion || bytes.readUInt32BE(checkedBytes) !== checksum(kind, bytes)) throw cursorInvalid();
  if (bytes.toString('hex', 1, 17) !== logId.replaceAll('-', '')) throw cursorInvalid('This cursor is one of another log.');
  const commit = Number(bytes.readBigUInt64BE(17));
  const index = bytes.readUInt16BE(25);
  // Only a forged one is beyond what any log can hold; the database would stumble over it.
  if (!Number.isSafeInteger(commit) || index >= limits.eventsPerCommitMax) throw cursorInvalid();
  return { logId, commit, index };
}

function checksum(kind: CursorKind, bytes: Buffer): number {
  return crc32(bytes.subarray(0, checkedBytes), crc32(kind));
}

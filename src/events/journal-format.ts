import { crc32 } from 'node:zlib';
import type { LogId } from './ids.ts';

// How groups of commits stand in the journal (see journal.ts): one frame for each, at a multiple of a page, so that no write touches what an earlier one has
// synced. Numbers are big-endian.
//   CRC-32 of the log's id and all that follows (4), bytes of the frame (4), number of the first commit (6), how many there are (4),
//   then each of them: its bytes (4), and the same bytes that the table of commits gets
// A frame is written only when the one before is on disk, and only for numbers that no other frame was ever answered for. So a frame that is whole and goes on
// where the others end belongs to the log, whatever older ones stand behind it.

export const frameAlignment = 4096;
const headerBytes = 18;
const lengthBytes = 4;

/** Commits of the log, in the order of their numbers, as they are stored. */
export interface StoredCommits {
  /** Number of the first one. */
  readonly first: number;
  readonly stored: readonly Uint8Array[];
}

/** The room that a frame takes up. */
export function frameBytes(stored: readonly Uint8Array[]): number {
  const bytes = stored.reduce((sum, { length }) => sum + lengthBytes + length, headerBytes);
  return Math.ceil(bytes / frameAlignment) * frameAlignment;
}

export function encodeFrame(logId: LogId, { first, stored }: StoredCommits): Buffer {
  const frame = Buffer.alloc(frameBytes(stored));
  let at = headerBytes;
  for (const commit of stored) {
    at = frame.writeUInt32BE(commit.length, at);
    frame.set(commit, at);
    at += commit.length;
  }
  frame.writeUInt32BE(at, 4);
  frame.writeUIntBE(first, 8, 6);
  frame.writeUInt32BE(stored.length, 14);
  frame.writeUInt32BE(checksumOf(logId, frame.subarray(4, at)), 0);
  return frame;
}

/** What stands in an area of the journal: its whole frames from the beginning on, as far as each goes on where the one before ends. */
export function decodeFrames(logId: LogId, area: Buffer): StoredCommits {
  let first = 0;
  const stored: Uint8Array[] = [];
  for (let at = 0; at + headerBytes <= area.length;) {
    const bytes = area.readUInt32BE(at + 4);
    if (bytes < headerBytes || at + bytes > area.length) break;
    const frame = area.subarray(at, at + bytes);
    if (frame.readUInt32BE(0) !== checksumOf(logId, frame.subarray(4))) break;
    const number = frame.readUIntBE(8, 6);
    if (stored.length > 0 && number !== first + stored.length) break;
    if (stored.length === 0) first = number;
    let from = headerBytes;
    for (let left = frame.readUInt32BE(14); left > 0; left -= 1) {
      const to = from + lengthBytes + frame.readUInt32BE(from);
      stored.push(frame.subarray(from + lengthBytes, to));
      from = to;
    }
    at += Math.ceil(bytes / frameAlignment) * frameAlignment;
  }
  return { first, stored };
}

function checksumOf(logId: LogId, bytes: Uint8Array): number {
  return crc32(bytes, crc32(logId));
}

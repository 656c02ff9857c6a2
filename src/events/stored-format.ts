import { crc32 } from 'node:zlib';
import { decodeCommit, encodeCommit } from './codec.ts';
import { LogCorrupt, LogUnavailable } from './event-log.ts';
import type { RecordedCommit, StreamHead } from './event-log.ts';
import { parseLogId } from './ids.ts';
import type { LogId } from './ids.ts';

// How the embedded log stands on disk, as three tables of LMDB, format 1. Numbers are big-endian, so that they sort; 6 bytes unless said otherwise.
//   commits:  number → CRC-32 (4) of the number and all that follows, predecessor or 0, version of the first event, the JSON of the codec
//   heads:    name of the stream → number of its last commit, version of its last event, index of that in the commit (2); see stream-heads.ts
//   about:    'log' → JSON: format, id, name space, of a copy what it was copied from and whether it goes on; 'indexed' → JSON: number of the last commit that `heads` knows of
export const formatVersion = 1;

const numberBytes = 6;
const checksumBytes = 4;
const headerBytes = checksumBytes + 2 * numberBytes;

export function commitKey(commit: number): Buffer {
  const key = Buffer.allocUnsafe(numberBytes);
  key.writeUIntBE(commit, 0, numberBytes);
  return key;
}

export function commitOfKey(key: Uint8Array): number {
  return asBuffer(key).readUIntBE(0, numberBytes);
}

// LMDB has no checksums of its own: without one, a flipped bit inside a text would go unnoticed. The number is part of it, so that a commit is
// not taken for another one either.
function checksumOf(commit: number, stored: Buffer): number {
  return crc32(stored.subarray(checksumBytes), commit % 2 ** 32);
}

export function encodeStored(commit: RecordedCommit): Buffer {
  const stored = encodeCommit(commit, headerBytes);
  stored.writeUIntBE(commit.predecessor ?? 0, checksumBytes, numberBytes);
  stored.writeUIntBE(commit.firstVersion, checksumBytes + numberBytes, numberBytes);
  stored.writeUInt32BE(checksumOf(commit.commit, stored));
  return stored;
}

/** @throws {LogCorrupt} */
export function decodeStored(commit: number, stored: Uint8Array): RecordedCommit {
  const bytes = asBuffer(stored);
  if (bytes.length <= headerBytes) throw new LogCorrupt(`commit ${commit}: is cut short`);
  if (bytes.readUInt32BE() !== checksumOf(commit, bytes)) throw new LogCorrupt(`commit ${commit}: the checksum does not fit the content`);
  return decodeCommit(bytes.subarray(headerBytes), commit);
}

/** What a walk back through a stream needs, without the cost of decoding. @throws {LogCorrupt} */
export function decodeLink(commit: number, stored: Uint8Array): { readonly predecessor: number; readonly firstVersion: number } {
  const bytes = asBuffer(stored);
  if (bytes.length <= headerBytes) throw new LogCorrupt(`commit ${commit}: is cut short`);
  const predecessor = bytes.readUIntBE(checksumBytes, numberBytes);
  if (predecessor >= commit) throw new LogCorrupt(`commit ${commit}: has a predecessor that does not stand before it`);
  return { predecessor, firstVersion: bytes.readUIntBE(checksumBytes + numberBytes, numberBytes) };
}

export function encodeHead({ version, position }: StreamHead): Buffer {
  const value = Buffer.allocUnsafe(2 * numberBytes + 2);
  value.writeUIntBE(position.commit, 0, numberBytes);
  value.writeUIntBE(version, numberBytes, numberBytes);
  value.writeUInt16BE(position.index, 2 * numberBytes);
  return value;
}

export function decodeHead(logId: LogId, value: Uint8Array): StreamHead {
  const bytes = asBuffer(value);
  return {
    version: bytes.readUIntBE(numberBytes, numberBytes),
    position: { logId, commit: bytes.readUIntBE(0, numberBytes), index: bytes.readUInt16BE(2 * numberBytes) },
  };
}

function asBuffer(bytes: Uint8Array): Buffer {
  if (Buffer.isBuffer(bytes)) return bytes;
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** What a log says about itself. */
export interface LogAbout {
  readonly id: LogId;
  readonly namespace: string;
  /** Of the log that it was copied from. */
  readonly copyOf?: LogId;
  /** A copy that goes on: nobody may take it for the whole log. */
  readonly copyUnfinished?: boolean;
}

export function storedAbout(about: LogAbout): object {
  return { format: formatVersion, ...about };
}

/** @throws {LogUnavailable} for a newer format. @throws {LogCorrupt} */
export function parseAbout(about: unknown, path: string): LogAbout {
  const { format, id, namespace, copyOf, copyUnfinished } = (about ?? {}) as Record<string, unknown>;
  if (typeof format === 'number' && format > formatVersion) {
    throw new LogUnavailable(`${path} has format ${format}, this version of Starling reads ${formatVersion}: use a newer one`);
  }
  const logId = typeof id === 'string' ? parseLogId(id) : undefined;
  if (format !== formatVersion || logId === undefined || typeof namespace !== 'string') {
    throw new LogCorrupt(`${path} is not an event log of Starling`);
  }
  const sourceId = typeof copyOf === 'string' ? parseLogId(copyOf) : undefined;
  return { id: logId, namespace, ...(sourceId && { copyOf: sourceId }), ...(copyUnfinished === true && { copyUnfinished }) };
}

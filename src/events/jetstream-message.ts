import { crc32 } from 'node:zlib';
import { decodeCommit, encodeCommit } from './codec.ts';
import type { UnnumberedCommit } from './codec.ts';
import { LogCorrupt } from './event-log.ts';
import type { RecordedCommit } from './event-log.ts';
import { parseLogId } from './ids.ts';
import type { LogId, StreamName } from './ids.ts';
import type { StoredMessage } from './jetstream-api.ts';

// How the log stands in JetStream, format 1. One NATS stream, STARLING_<space>, holds everything.
//   starling.<space>.about         the first message: JSON with format, id and name space of the log. Not in the metadata of the NATS stream: of two that
//                                  make a stream at the same moment, the second may overwrite that (seen with 2.10.27), and a message is fenced.
//                                  Of a copy also the id of the source: then the metadata says when it is complete.
//   starling.<space>.log.<stream>  all others: one commit each, a CRC-32 (4 bytes, big-endian) of the JSON of the codec, and that JSON. The sequence of
//                                  the message is the number of the commit plus one.
export const formatVersion = 1;

const checksumBytes = 4;

export function natsStreamOf(space: string): string {
  return `STARLING_${space}`;
}

export const aboutSequence = 1;

export function aboutSubject(space: string): string {
  return `starling.${space}.about`;
}

/** `*` for all streams. */
export function subjectOf(space: string, stream: StreamName | '*'): string {
  return `starling.${space}.log.${stream}`;
}

export function sequenceOf(commit: number): number {
  return commit + aboutSequence;
}

export function commitOf(sequence: number): number {
  return sequence - aboutSequence;
}

export interface About {
  readonly id: LogId;
  readonly namespace: string;
  /** Of the log that it is a copy of: not complete until the metadata of the NATS stream says so. */
  readonly copyOf?: LogId;
}

export function encodeAbout(about: About): Buffer {
  return Buffer.from(JSON.stringify({ format: formatVersion, ...about }));
}

/** @throws {LogCorrupt} */
export function decodeAbout(data: Uint8Array): About {
  let about: { readonly format?: unknown; readonly id?: unknown; readonly namespace?: unknown; readonly copyOf?: unknown };
  try {
    about = JSON.parse(Buffer.from(data).toString()) as typeof about;
  } catch (cause) {
    throw new LogCorrupt('the first message of the NATS stream does not say which log it is', { cause });
  }
  const id = typeof about.id === 'string' ? parseLogId(about.id) : undefined;
  if (about.format !== formatVersion || id === undefined || typeof about.namespace !== 'string')
    throw new LogCorrupt('the first message of the NATS stream does not say which log it is');
  const copyOf = typeof about.copyOf === 'string' ? parseLogId(about.copyOf) : undefined;
  return { id, namespace: about.namespace, ...(copyOf && { copyOf }) };
}

export function encodeMessage(commit: UnnumberedCommit): Buffer {
  const body = encodeCommit(commit, checksumBytes);
  body.writeUInt32BE(crc32(body.subarray(checksumBytes)));
  return body;
}

/** @throws {LogCorrupt} */
export function decodeMessage({ sequence, subject, data }: StoredMessage): RecordedCommit {
  const number = commitOf(sequence);
  if (data.length <= checksumBytes) throw new LogCorrupt(`commit ${number}: is cut short`);
  // One view and no other: the whole log is read here, and each costs as much as the checksum.
  const json = Buffer.from(data.buffer, data.byteOffset + checksumBytes, data.byteLength - checksumBytes);
  const checksum = ((data[0]! << 24) | (data[1]! << 16) | (data[2]! << 8) | data[3]!) >>> 0;
  if (checksum !== crc32(json)) throw new LogCorrupt(`commit ${number}: the checksum does not fit the content`);
  const commit = decodeCommit(json, number);
  if (!subject.endsWith(`.${commit.stream}`)) throw new LogCorrupt(`commit ${number}: stands on the subject of another stream`);
  return commit;
}

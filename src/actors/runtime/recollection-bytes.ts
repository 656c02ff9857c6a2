import { crc32 } from 'node:zlib';
import type { LogId, UserId } from '../../events/ids.ts';
import { RememberedCommands } from '../remembered-commands.ts';
import { IdSet } from '../user/id-set.ts';
import type { LogIdentity, Recollection } from './recollection.ts';

// A snapshot: a checksum, a line of JSON, and the packed sets behind it. Its format may change at will: what is not understood is ignored.

const formatNow = 2;

interface Header {
  readonly format: number;
  readonly logId: LogId;
  readonly userId: UserId;
  readonly registered: boolean;
  readonly time: number;
  readonly version: number;
  readonly commit: number;
  readonly index: number;
  /** Bytes of the parts that follow. */
  readonly parts: readonly [followees: number, posts: number, deletedPosts: number, remembered: number];
}

const checksumBytes = 4;
const lengthBytes = 4;

/** @throws when the stream is empty: there is nothing to keep. */
export function encodeRecollection(known: Recollection): Uint8Array {
  if (known.head === 'no-stream') throw new TypeError('an empty stream has no snapshot');
  const { userId, registered, followees, posts, deletedPosts } = known.state;
  const remembered = known.remembered.packed();
  const parts = [
    packed(followees),
    packed(posts),
    packed(deletedPosts),
    new Uint8Array(remembered.buffer, 0, remembered.byteLength),
  ] as const;
  const { version, position } = known.head;
  const header: Header = {
    format: formatNow,
    logId: position.logId,
    userId,
    registered,
    time: known.time,
    version,
    commit: position.commit,
    index: position.index,
    parts: [parts[0].length, parts[1].length, parts[2].length, parts[3].length],
  };
  const text = Buffer.from(JSON.stringify(header));
  const bytes = Buffer.concat([Buffer.alloc(checksumBytes + lengthBytes), text, ...parts]);
  bytes.writeUInt32LE(text.length, checksumBytes);
  bytes.writeUInt32LE(crc32(bytes.subarray(checksumBytes)), 0);
  return bytes;
}

/** What the bytes hold, or undefined when they are damaged, of another format, another log or another user. */
export function decodeRecollection(bytes: Uint8Array, userId: UserId, log: LogIdentity): Recollection | undefined {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (buffer.length < checksumBytes + lengthBytes) return undefined;
  if (crc32(buffer.subarray(checksumBytes)) !== buffer.readUInt32LE(0)) return undefined;
  const partsAt = checksumBytes + lengthBytes + buffer.readUInt32LE(checksumBytes);
  const header = JSON.parse(buffer.toString('utf8', checksumBytes + lengthBytes, partsAt)) as Header;
  if (header.format !== formatNow || header.logId !== log.id || header.userId !== userId) return undefined;

  let at = partsAt;
  // Copied, so that a set neither keeps the whole snapshot in memory nor stands at an odd address.
  const next = (length: number) => Uint8Array.from(buffer.subarray(at, (at += length)));
  const [followees, posts, deletedPosts, remembered] = header.parts;
  return {
    state: {
      userId,
      registered: header.registered,
      followees: unpacked(next(followees)),
      posts: unpacked(next(posts)),
      deletedPosts: unpacked(next(deletedPosts)),
    },
    remembered: new RememberedCommands(new Uint32Array(next(remembered).buffer)),
    head: { version: header.version, position: { logId: header.logId, commit: header.commit, index: header.index } },
    time: header.time,
    snapshotVersion: header.version,
  };
}

function packed(set: IdSet | undefined): Uint8Array {
  return set?.packed() ?? new Uint8Array();
}

function unpacked(bytes: Uint8Array): IdSet | undefined {
  return bytes.length === 0 ? undefined : new IdSet(bytes);
}

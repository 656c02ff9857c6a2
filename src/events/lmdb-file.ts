import { open } from 'node:fs/promises';
import { limits } from '../limits.ts';
import { LogCorrupt, LogUnavailable } from './event-log.ts';

// LMDB brings the process down over a file that is none of its own, and, as it maps the file into memory, at the first look at a page that is not there.
// So what the beginning of the file says is checked before LMDB opens it. Two pages there, the newer of which counts, each hold (struct MDB_meta in
// lmdb's mdb.c, behind the header of a page; little-endian): magic at 24, version at 28, size of a page at 48, number of the last page at 144,
// number of the transaction that wrote it at 152.
const magic = 0xbeefc0de;
const version = 2;
const metaBytes = 160;

/** An empty file is a new log. @throws {LogCorrupt} when it is no log, or not all of one. @throws {LogUnavailable} when it is empty and may not be begun. */
export async function assertLmdbFile(path: string, readOnly: boolean): Promise<void> {
  const file = await open(path, readOnly ? 'r' : 'a+', 0o600);
  try {
    const first = await file.read(Buffer.alloc(metaBytes), 0, metaBytes, 0);
    if (first.bytesRead === 0 && readOnly) throw new LogUnavailable(`${path} is empty: no event log was begun there`);
    if (first.bytesRead === 0) return;
    if (first.bytesRead < metaBytes || !isMeta(first.buffer)) {
      throw new LogCorrupt(`${path} is not an event log of Starling, or its beginning is damaged`);
    }
    const pageBytes = first.buffer.readUInt32LE(48);
    const second = await file.read(Buffer.alloc(metaBytes), 0, metaBytes, pageBytes);
    const metas = [first.buffer, ...(second.bytesRead === metaBytes && isMeta(second.buffer) ? [second.buffer] : [])];
    const newest = metas.reduce((a, b) => (b.readBigUInt64LE(152) > a.readBigUInt64LE(152) ? b : a));
    const wanted = (Number(newest.readBigUInt64LE(144)) + 1) * pageBytes;
    // Asked after what it is compared with was read: another process may write, and a file never becomes shorter.
    const { size } = await file.stat();
    if (size + limits.logFileSlackPages * pageBytes < wanted) {
      throw new LogCorrupt(
        `${path} is cut short: ${size} of ${wanted} bytes are there. Put the whole file in its place, or make a new directory of a backup (starling restore)`,
      );
    }
  } finally {
    await file.close();
  }
}

function isMeta(bytes: Buffer): boolean {
  return bytes.readUInt32LE(24) === magic && bytes.readUInt32LE(28) === version;
}

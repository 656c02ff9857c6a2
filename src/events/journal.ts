import { closeSync, fdatasyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { constants, open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import type { Clock } from '../clock.ts';
import { limits } from '../limits.ts';
import { AppendOutcomeUnknown } from './event-log.ts';
import type { LogId } from './ids.ts';
import { decodeFrames, encodeFrame } from './journal-format.ts';
import type { StoredCommits } from './journal-format.ts';
import { createWriteThread } from './write-thread.ts';

// A file of two areas that take turns: while what stands in one goes to its place, the other is written. All of it is written once when it is opened, so that
// a write changes nothing but these pages, needs no room, and one sync puts them on disk: a transaction of LMDB takes two, and on most file systems the file grows as well.

export interface Journal {
  /** Is there an area that holds so many bytes of frames? */
  holds(bytes: number): boolean;
  /** Is there room for so many in the area whose turn it is? */
  hasRoom(bytes: number): boolean;
  /** On disk when it resolves. @throws {AppendOutcomeUnknown} */
  append(commits: StoredCommits): Promise<void>;
  /** The other area's turn: what stands in it has to be in its place, synced. */
  turn(): void;
  close(): Promise<void>;
}

const areas = [0, 1];

/** What a journal holds, by area, and has on disk when it comes back, also while another process writes it; nothing where there is none. */
export function readJournal(path: string, logId: LogId): readonly StoredCommits[] {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  let bytes: Buffer;
  try {
    bytes = readFileSync(fd);
    // Whoever wrote it may not have come to it yet, and nobody shall believe what a power cut can take back.
    fdatasyncSync(fd);
  } finally {
    closeSync(fd);
  }
  return areas.map((area) => decodeFrames(logId, bytes.subarray(area * limits.journalAreaBytes, (area + 1) * limits.journalAreaBytes)));
}

/** Begins anew: whatever stands in it is in its place. Made if it is missing; a new name has to be synced in its directory by the caller. */
export async function openJournal(path: string, options: { readonly logId: LogId; readonly clock: Clock }): Promise<Journal> {
  const { logId, clock } = options;
  const file = await openWhole(path);
  const thread = createWriteThread(clock);
  let area = 0;
  let used = 0;

  function writeHere(frame: Buffer, at: number): void {
    const begunAt = clock.monotonicMs();
    try {
      for (let done = 0; done < frame.length;) done += writeSync(file.fd, frame, done, frame.length - done, at + done);
      fdatasyncSync(file.fd);
    } finally {
      // Also of one that failed: a disk that dies slowly is a slow one.
      thread.took(clock.monotonicMs() - begunAt);
    }
  }

  async function writeBeside(frame: Buffer, at: number): Promise<void> {
    await writeAll(file, frame, at);
    await file.datasync();
  }

  return {
    holds: (bytes) => bytes <= limits.journalAreaBytes,
    hasRoom: (bytes) => used + bytes <= limits.journalAreaBytes,
    async append(commits) {
      const frame = encodeFrame(logId, commits);
      const at = area * limits.journalAreaBytes + used;
      used += frame.length;
      try {
        if (thread.isMain(commits.stored.length)) writeHere(frame, at);
        else await writeBeside(frame, at);
      } catch (cause) {
        throw new AppendOutcomeUnknown(`the journal ${path} failed while writing: ${(cause as Error).message}`, { cause });
      }
    },
    turn() {
      area = 1 - area;
      used = 0;
    },
    close: () => file.close(),
  };
}

/** A file system that runs out of space takes a part first, without a word. */
async function writeAll(file: FileHandle, bytes: Buffer, at: number): Promise<void> {
  for (let done = 0; done < bytes.length;) done += (await file.write(bytes, done, bytes.length - done, at + done)).bytesWritten;
}

/** Every byte of it written, also where it was before: a copy may have holes, or share its blocks with another file until they are written. */
async function openWhole(path: string): Promise<FileHandle> {
  const file = await open(path, constants.O_RDWR | constants.O_CREAT, 0o600);
  try {
    await writeAll(file, Buffer.alloc(areas.length * limits.journalAreaBytes), 0);
    await file.sync();
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

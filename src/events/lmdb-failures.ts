import { statfs } from 'node:fs/promises';
import { constants } from 'node:os';
import { AppendOutcomeUnknown, LogCorrupt, LogUnavailable } from './event-log.ts';

// What LMDB and the file system say, turned into the errors of the port, with a cure where there is one.

const { EACCES, EDQUOT, EFBIG, EIO, ENOENT, ENOSPC, EPERM, EROFS } = constants.errno;
/** From lmdb.h: the map cannot grow. */
const mapFull = -30792;
/** From lmdb.h: the file is not one of LMDB, of another version of it, or damaged. */
const damaged = new Set([-30793, -30794, -30796, -30797]);
/** Below it a write can fail for want of space though some bytes are free: pages go to disk in runs. */
const fullBelowBytes = 1024 * 1024;

/**
 * Throws as a full disk does when it is too full for so many bytes of commits and heads. LMDB is not to find that out: its message about it overruns the
 * memory that it takes for it (3.5.6), and the process may end.
 */
export async function assertRoom(directory: string, bytes: number): Promise<void> {
  // Twice, since pages are not full and those on the way to them are written anew.
  if (await isFull(directory, 2 * bytes)) throw Object.assign(new Error('no space left on device'), { code: ENOSPC });
}

/** Why a group could not be written: certainly nothing of it is there, or it is not known. */
export async function writeFailure(
  error: unknown,
  options: { directory: string; nothingWritten: () => boolean },
): Promise<LogUnavailable | AppendOutcomeUnknown> {
  const { directory } = options;
  const cause = await causeOf(error);
  const code = codeOf(cause);
  // LMDB reports a write that the file system cut short as an input/output error.
  const full = code === ENOSPC || code === EDQUOT || code === mapFull || (code === EIO && (await isFull(directory)));
  const certain = (full || code === EFBIG) && holds(options.nothingWritten);
  if (!certain) return new AppendOutcomeUnknown(`the log in ${directory} failed while writing: ${messageOf(cause)}`, { cause });
  if (full) return new LogUnavailable(`no space left for the log in ${directory}: free some, then appends work again`, { cause });
  return new LogUnavailable(`the log in ${directory} has reached the largest file that is allowed (ulimit -f)`, { cause });
}

export async function openFailure(thrown: unknown, directory: string): Promise<Error> {
  if (thrown instanceof LogUnavailable || thrown instanceof LogCorrupt) return thrown;
  const error = await causeOf(thrown);
  const code = codeOf(error);
  const says = (what: string) => new LogUnavailable(`${what} (${directory})`, { cause: error });
  if (code === EACCES || code === EPERM)
    return says('no permission for the directory of the event log: give it to the user that runs Starling');
  if (code === EROFS) return says('the directory of the event log stands on a file system that is read-only');
  if (code === ENOSPC || code === EDQUOT) return says('no space left for the event log: free some');
  if (code === ENOENT) return says('there is no event log here');
  if (code !== undefined && damaged.has(code))
    return new LogCorrupt(`the file of the event log in ${directory} is damaged: ${messageOf(error)}`, { cause: error });
  return says(`the event log cannot be opened: ${messageOf(error)}`);
}

/** The promise of a write carries the reason in a second promise. */
async function causeOf(error: unknown): Promise<unknown> {
  const reason = (error as { commitError?: Promise<unknown> } | undefined)?.commitError;
  try {
    await reason;
    return error;
  } catch (cause) {
    return cause;
  }
}

function codeOf(error: unknown): number | undefined {
  const { code, errno } = (error ?? {}) as { code?: unknown; errno?: unknown };
  // Node counts errno downwards from 0, LMDB hands out the plain number.
  if (typeof errno === 'number') return Math.abs(errno);
  return typeof code === 'number' ? code : undefined;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : 'unknown error';
}

async function isFull(directory: string, bytes = 0): Promise<boolean> {
  const stats = await statfs(directory).catch(() => undefined);
  return stats !== undefined && stats.bavail * stats.bsize < fullBelowBytes + bytes;
}

function holds(condition: () => boolean): boolean {
  try {
    return condition();
  } catch {
    return false;
  }
}

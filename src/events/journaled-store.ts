import type { Clock } from '../clock.ts';
import { limits } from '../limits.ts';
import type { Logger } from '../logger.ts';
import { AppendOutcomeUnknown, LogUnavailable } from './event-log.ts';
import type { StreamHead } from './event-log.ts';
import type { PendingCommit } from './group-commit.ts';
import type { StreamName } from './ids.ts';
import { frameBytes } from './journal-format.ts';
import type { Journal } from './journal.ts';
import type { LmdbStore } from './lmdb-store.ts';
import * as format from './stored-format.ts';
import type { HeadSlice } from './stream-heads.ts';

// A store whose commits are on disk as soon as its journal has them; they go to their place in the table behind that, many in one transaction:
//
//   write ──→ journal, area A ──synced──→ answered ──some time later, or A is full──→ the table, in one transaction ──synced──→ A is free
//               area B takes the writes meanwhile
//
// Until they are in their place they are read from memory, and after a crash from the journal. Heads of streams, which are no more than an index, wait in
// memory alone and go with the commits.

/** What stands in one area. */
interface Batch {
  readonly commits: PendingCommit[];
  readonly heads: Map<StreamName, StreamHead>;
  indexed: number | undefined;
}

const newBatch = (): Batch => ({ commits: [], heads: new Map(), indexed: undefined });

export function createJournaledStore(
  store: LmdbStore,
  journal: Journal,
  ports: { readonly clock: Clock; readonly logger: Logger },
): LmdbStore {
  const { clock, logger } = ports;
  /** In the area that is written. */
  let waiting = newBatch();
  /** In the other area, on its way. */
  let moving: Batch | undefined;
  let last = store.last();
  let running: Promise<void> | undefined;
  let resting: Promise<void> | undefined;
  /** It is not known what the table holds. */
  let broken: AppendOutcomeUnknown | undefined;
  const closing = new AbortController();

  const isEmpty = () => moving === undefined && waiting.commits.length === 0;

  /** Where an earlier one failed, its area once more; otherwise that of now, which is written no more from the beginning of this call on. */
  const move = (): Promise<void> => (running ??= moveOldest().finally(() => (running = undefined)));

  async function moveOldest(): Promise<void> {
    if (broken) throw broken;
    if (isEmpty()) return;
    if (moving === undefined) {
      moving = waiting;
      waiting = newBatch();
      journal.turn();
    }
    const { commits, heads, indexed } = moving;
    const slice: HeadSlice | undefined = heads.size === 0 && indexed === undefined ? undefined : { heads: [...heads], indexed };
    try {
      if (!(await store.write(commits, slice))) throw new AppendOutcomeUnknown(`another process writes ${store.path}: only one may`);
    } catch (error) {
      if (!(error instanceof AppendOutcomeUnknown)) throw error;
      // What is not there can be tried again, since the journal has it. What is there may not be on disk.
      if (store.last() === commits[0]!.recorded.commit - 1) throw new LogUnavailable(error.message, { cause: error });
      throw (broken = error);
    }
    moving = undefined;
  }

  /** Up to and with this commit: whoever goes on writing meanwhile is not waited for. */
  async function moveUpTo(commit: number): Promise<void> {
    while (((moving ?? waiting).commits[0]?.recorded.commit ?? Infinity) <= commit) await move();
  }

  /** A group is not followed at once: those that come soon share its transaction. */
  async function moveSoon(): Promise<void> {
    let restMs: number = limits.journalRestMs;
    while (!isEmpty() && !broken) {
      await clock.sleep(restMs, closing.signal);
      if (closing.signal.aborted) return;
      restMs = await move().then(
        () => limits.journalRestMs,
        // Why is told by whoever writes the table, and to whom needs the room.
        () => limits.journalRetryMs,
      );
    }
    resting = undefined;
  }

  /** Keeps what goes with the area in which the commits will stand: it may be moved even before they are all there. */
  function hold(group: readonly PendingCommit[], slice: HeadSlice | undefined): void {
    for (const commit of group) waiting.commits.push(commit);
    for (const [stream, head] of slice?.heads ?? []) waiting.heads.set(stream, head);
    waiting.indexed = slice?.indexed ?? waiting.indexed;
  }

  function held(number: number): Uint8Array | undefined {
    for (const commits of [waiting.commits, moving?.commits]) {
      const first = commits?.[0]?.recorded.commit;
      if (first !== undefined && number >= first) return commits![number - first]?.encoded;
    }
    return undefined;
  }

  return {
    ...store,
    last: () => last,
    commit: (number) => held(number) ?? store.commit(number),
    head(stream) {
      const head = waiting.heads.get(stream) ?? moving?.heads.get(stream);
      return head === undefined ? store.head(stream) : format.encodeHead(head);
    },
    indexed: () => waiting.indexed ?? moving?.indexed ?? store.indexed(),
    async write(group, slice) {
      const stored = group.map(({ encoded }) => encoded);
      const bytes = frameBytes(stored);
      const first = group[0]?.recorded.commit;
      if (first === undefined || !journal.holds(bytes)) {
        await moveUpTo(last);
        const written = await store.write(group, slice);
        if (written) last = group.at(-1)?.recorded.commit ?? last;
        return written;
      }
      if (store.last() > last) return false;
      while (!journal.hasRoom(bytes)) {
        // To begin is enough, for the other area takes over then; unless that one is not free yet.
        if (moving !== undefined || running !== undefined) await move();
        else void move().catch(() => undefined);
      }
      if (broken) throw broken;
      hold(group, slice);
      await journal.append({ first, stored });
      last = group.at(-1)!.recorded.commit;
      // It may be in its place by now.
      if (!isEmpty() && !broken) resting ??= moveSoon();
      return true;
    },
    async backup(path) {
      await moveUpTo(last);
      await store.backup(path);
    },
    async close() {
      closing.abort();
      await resting;
      await moveUpTo(Number.MAX_SAFE_INTEGER).catch((error: unknown) =>
        logger.warn({ err: error }, 'the last commits stay in the journal: the next start puts them in their place'),
      );
      await journal.close();
      await store.close();
    },
  };
}

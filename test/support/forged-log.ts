import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { RecordedCommit, StreamHead } from '../../src/events/event-log.ts';
import type { LogId, StreamName } from '../../src/events/ids.ts';
import { logFileName, openLmdbLog } from '../../src/events/lmdb-log.ts';
import type { LmdbEventLog } from '../../src/events/lmdb-log.ts';
import { openLmdbStore } from '../../src/events/lmdb-store.ts';
import { encodeStored } from '../../src/events/stored-format.ts';
import { headAfter } from '../../src/events/stream-chain.ts';
import { silentLogger } from '../../src/logger.ts';
import { systemRandom } from '../../src/random.ts';
import { tempDir } from './temp-dir.ts';

/** A log of exactly these commits, written behind its back; a bit of those in `damaged` is turned over. Open to read only, until the test ends. */
export async function forgeLog(
  about: { readonly id: LogId; readonly namespace: string },
  commits: readonly RecordedCommit[],
  damaged: readonly number[] = [],
  wrongEnds: readonly (readonly [StreamName, StreamHead])[] = [],
): Promise<LmdbEventLog> {
  const directory = await tempDir('forged');
  const path = join(directory, logFileName);
  const store = await openLmdbStore({ directory, path, readOnly: false, logger: silentLogger, aboutNew: () => about });
  const group = commits.map((recorded) => {
    const encoded = encodeStored(recorded);
    if (damaged.includes(recorded.commit)) encoded[encoded.length - 3]! ^= 1;
    return { stream: recorded.stream, recorded, encoded, bytes: encoded.length, head: headAfter(about.id, recorded) };
  });
  // All ends of streams are on disk, so that opening reads none of the commits again.
  const ends = [...group.map(({ stream, head }) => [stream, head] as const), ...wrongEnds];
  await store.write(group, { heads: ends, indexed: commits.at(-1)?.commit });
  await store.close();
  const log = await openLmdbLog({ directory, readOnly: true, random: systemRandom, logger: silentLogger });
  onTestFinished(() => log.close());
  return log;
}

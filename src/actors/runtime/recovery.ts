import { LogUnavailable } from '../../events/event-log.ts';
import type { EventLog } from '../../events/event-log.ts';
import { userStreamOf } from '../../events/ids.ts';
import type { StreamName, UserId } from '../../events/ids.ts';
import { headAfter } from '../../events/stream-chain.ts';
import type { Logger } from '../../logger.ts';
import { absorbRecorded, blank, versionOf } from './recollection.ts';
import type { Recollection } from './recollection.ts';
import { decodeRecollection } from './recollection-bytes.ts';
import type { SnapshotStore } from './snapshots.ts';

export interface RecoveryPorts {
  readonly log: EventLog;
  readonly snapshots: SnapshotStore;
  readonly logger: Logger;
  /** Streams shorter than this have no snapshot worth looking for. */
  readonly snapshotEveryEvents: number;
}

/**
 * Rebuilds what an actor knows: from its snapshot if there is a sound one, and the events after it. Perhaps from before the last append of another node: that
 * the stream still ends there is shown by the append that follows, or by asking for its head where nothing is appended.
 * @throws what the log throws.
 */
export async function recover(userId: UserId, ports: RecoveryPorts): Promise<Recollection> {
  const stream = userStreamOf(userId);
  const head = await ports.log.head(stream, { mayBeBehind: true });
  if (head === 'no-stream') return blank(userId);
  const snapshot = head.version + 1 < ports.snapshotEveryEvents ? undefined : await loadSound(userId, stream, ports);
  const known = snapshot ?? blank(userId);
  const after = known.head;
  for await (const batch of ports.log.read(stream, versionOf(after) + 1)) {
    for (const commit of batch) absorbRecorded(known, commit, ports.log);
  }
  // What the log has promised once must be read, or the copy that answered is behind.
  if (versionOf(known.head) < head.version) throw new LogUnavailable(`${stream}: the log read less than its head promised`);
  return known;
}

/** The snapshot, if it is whole and the log still holds the very commit that it ends with (a restored backup may not). */
async function loadSound(userId: UserId, stream: StreamName, ports: RecoveryPorts): Promise<Recollection | undefined> {
  try {
    const bytes = await ports.snapshots.load(stream);
    if (bytes === undefined) return undefined;
    const known = decodeRecollection(bytes, userId, ports.log);
    if (known !== undefined && (await isInLog(known, stream, ports.log))) return known;
    ports.logger.warn({ stream }, 'a snapshot does not fit the log and is ignored');
  } catch (error) {
    if (error instanceof LogUnavailable) throw error;
    ports.logger.warn({ stream, err: error }, 'a snapshot cannot be read and is ignored');
  }
  return undefined;
}

async function isInLog(known: Recollection, stream: StreamName, log: EventLog): Promise<boolean> {
  for await (const batch of log.read(stream, versionOf(known.head))) {
    const last = batch[0];
    if (last === undefined) continue;
    const head = headAfter(log.id, last);
    return (
      head.version === versionOf(known.head) &&
      known.head !== 'no-stream' &&
      head.position.commit === known.head.position.commit &&
      last.time === known.time
    );
  }
  return false;
}

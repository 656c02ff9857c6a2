import { userStreamOf } from '../../events/ids.ts';
import type { Logger } from '../../logger.ts';
import { createUnderWay } from '../../under-way.ts';
import { versionOf } from './recollection.ts';
import type { Recollection } from './recollection.ts';
import { encodeRecollection } from './recollection-bytes.ts';
import type { SnapshotStore } from './snapshots.ts';

/** Writes snapshots beside the work: nobody waits for one, and one that fails is only logged. */
export function createSnapshotKeeper(ports: { store: SnapshotStore; everyEvents: number; logger: Logger }) {
  const saving = createUnderWay();

  function keep(known: Recollection): void {
    const version = versionOf(known.head);
    if (version - known.snapshotVersion < ports.everyEvents) return;
    const stream = userStreamOf(known.state.userId);
    known.snapshotVersion = version;
    const saved = ports.store.save(stream, version, encodeRecollection(known));
    void saving.add(saved.catch((error: unknown) => ports.logger.warn({ stream, err: error }, 'a snapshot could not be saved')));
  }

  return {
    keep,
    settled: () => saving.ended(),
  };
}

import { recordedCommitOf } from './codec.ts';
import { LogCorrupt, LogUnavailable } from './event-log.ts';
import type { RecordedCommit, StreamHead } from './event-log.ts';
import type { PendingCommit } from './group-commit.ts';
import { assertCopyOf, assertVersionFollows } from './log-import.ts';
import type { CopiedLog, LogImport } from './log-import.ts';
import * as format from './stored-format.ts';
import { headsAt, readStored } from './stored-heads.ts';
import type { CommitStore } from './stored-log.ts';
import { headAfter } from './stream-chain.ts';

export interface ImportStore extends CommitStore {
  readonly about: format.LogAbout;
  writeAbout(about: format.LogAbout): Promise<void>;
}

/** Many commits, one sync: each call of `append` is one transaction. @throws {LogUnavailable} when the store holds something else. */
export function createStoredImport(store: ImportStore, source: CopiedLog): LogImport {
  const { id, about } = store;
  assertCopyOf(source, about, source.dense, store.path);
  let last = store.last();
  const heads = headsAt(store, last);

  function placed(commit: RecordedCommit): PendingCommit {
    const before = heads.get(commit.stream);
    assertFollows(commit, before, source.dense ? { number: last + 1, predecessor: before?.position.commit ?? null } : undefined);
    last += 1;
    const recorded = source.dense ? commit : recordedCommitOf(last, commit.stream, before, commit);
    const encoded = format.encodeStored(recorded);
    const head = headAfter(id, recorded);
    heads.record(commit.stream, head);
    return { stream: commit.stream, recorded, encoded, bytes: encoded.length, head };
  }

  return {
    id,
    keepsPositions: source.dense,
    count: () => last,
    last: async () => (last === 0 ? undefined : readStored(store, last).recorded),
    begin: () => store.writeAbout({ ...about, copyOf: source.id, copyUnfinished: true }),
    async append(commits) {
      const group = commits.map(placed);
      const slice = heads.slice(group.length);
      if (!(await store.write(group, slice))) throw new LogUnavailable(`another process writes ${store.path}: only one may`);
      if (slice) heads.written(slice);
    },
    async finish() {
      const rest = heads.rest();
      if (rest) await store.write([], rest);
      await store.writeAbout({ id, namespace: about.namespace, copyOf: source.id });
    },
    close: () => store.close(),
  };
}

/** `place`: where it has to stand, if it keeps its number. @throws {LogCorrupt} */
function assertFollows(
  recorded: RecordedCommit,
  before: StreamHead | undefined,
  place: { readonly number: number; readonly predecessor: number | null } | undefined,
): void {
  assertVersionFollows(recorded, before);
  if (place === undefined) return;
  const { commit, stream, predecessor } = recorded;
  if (commit !== place.number) throw new LogCorrupt(`commit ${place.number} is missing from the log: ${commit} stands in its place`);
  if (predecessor !== place.predecessor) {
    throw new LogCorrupt(
      `${stream}: the chain is broken at commit ${commit}: it follows commit ${predecessor}, but ${place.predecessor} is the last before it`,
    );
  }
}

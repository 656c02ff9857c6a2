import { join } from 'node:path';
import type { EventLog, RecordedCommit } from '../../src/events/event-log.ts';
import type { DomainEvent, EventType } from '../../src/events/event-types.ts';
import type { StreamName } from '../../src/events/ids.ts';
import { openLmdbLog } from '../../src/events/lmdb-log.ts';
import { silentLogger } from '../../src/logger.ts';
import { systemRandom } from '../../src/random.ts';

export interface WholeLog {
  readonly id: EventLog['id'];
  readonly namespace: string;
  readonly commits: readonly RecordedCommit[];
  /** By the id of the command that caused it. @throws when one command made two commits. */
  byCommand(): Map<string, RecordedCommit>;
  events<Type extends EventType>(type: Type): (Extract<DomainEvent, { type: Type }> & { readonly stream: StreamName })[];
}

/** Reads all that stands in the log of a data directory, whether a node runs on it or not. @throws when a number or a link of a stream is missing. */
export async function readWholeLog(dataDirectory: string): Promise<WholeLog> {
  const log = await openLmdbLog({ directory: join(dataDirectory, 'log'), readOnly: true, random: systemRandom, logger: silentLogger });
  try {
    const commits = await readAll(log);
    assertUnbroken(commits);
    return {
      id: log.id,
      namespace: log.namespace,
      commits,
      byCommand: () => byCommand(commits),
      events: (type) =>
        commits.flatMap(({ stream, events }) => events.flatMap((event) => (event.type === type ? [{ ...event, stream }] : [])) as never[]),
    };
  } finally {
    await log.close();
  }
}

/** Every commit up to where the log ends now. */
export async function readAll(log: EventLog): Promise<RecordedCommit[]> {
  const last = (await log.tail())?.position.commit ?? 0;
  const commits: RecordedCommit[] = [];
  const enough = new AbortController();
  if (last === 0) return commits;
  for await (const batch of log.subscribe('start', enough.signal)) {
    commits.push(...batch);
    if (commits.length >= last) enough.abort();
  }
  return commits;
}

/** What the log promises, checked here once more without its own code. */
function assertUnbroken(commits: readonly RecordedCommit[]): void {
  const streams = new Map<StreamName, { readonly version: number; readonly commit: number; readonly time: number }>();
  for (const [index, { commit, stream, firstVersion, predecessor, time, events }] of commits.entries()) {
    if (commit !== index + 1) throw new Error(`commit ${index + 1} is missing: ${commit} stands in its place`);
    const before = streams.get(stream);
    if (firstVersion !== (before?.version ?? -1) + 1 || predecessor !== (before?.commit ?? null)) {
      throw new Error(`${stream} is broken at commit ${commit}: version ${firstVersion} after commit ${predecessor}`);
    }
    if (before !== undefined && time < before.time) throw new Error(`${stream}: time runs backwards at commit ${commit}`);
    streams.set(stream, { version: firstVersion + events.length - 1, commit, time });
  }
}

function byCommand(commits: readonly RecordedCommit[]): Map<string, RecordedCommit> {
  const found = new Map<string, RecordedCommit>();
  for (const commit of commits) {
    const id = commit.metadata?.commandId;
    if (id === undefined) continue;
    const other = found.get(id);
    if (other) throw new Error(`the command ${id} stands in the log twice: commits ${other.commit} and ${commit.commit}`);
    found.set(id, commit);
  }
  return found;
}

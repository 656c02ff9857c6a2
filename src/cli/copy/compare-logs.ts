import type { EventLog, RecordedCommit } from '../../events/event-log.ts';
import type { StreamName } from '../../events/ids.ts';
import type { Position } from '../../events/position.ts';
import type { JobContext } from '../control-server.ts';
import { differenceOf } from './copy-log.ts';
import { readCommits } from './read-commits.ts';

export interface LogComparison {
  /** Commits and events that both have, compared one by one. */
  readonly commits: number;
  readonly events: number;
  readonly different: number;
  /** Commits of FROM that TO does not have. */
  readonly missing: number;
  /** Commits that TO has got besides: who works on a copy adds to it. */
  readonly added: number;
  /** Place and kind of the first difference. */
  readonly first: string | undefined;
}

/** Event by event up to `upTo`, a place of `from`: stream, version, time, type, content, metadata, chain; and the positions, where the copy has kept them. */
export async function compareLogs(
  from: EventLog,
  to: EventLog,
  upTo: Position | undefined,
  { signal, report }: JobContext,
): Promise<LogComparison> {
  const inPlace = from.id === to.id;
  const last = upTo?.commit ?? 0;
  const ours = commitsOf(from, last, signal);
  const theirs = commitsOf(to, (await to.tail())?.position.commit ?? 0, signal);
  const found = { commits: 0, events: 0, different: 0, missing: 0, added: 0, first: undefined as string | undefined };
  const chain = new Map<StreamName, number>();
  try {
    for (;;) {
      const our = (await ours.next()).value;
      const their = (await theirs.next()).value;
      if (our === undefined && their === undefined) break;
      if (our === undefined) {
        found.added = 1 + (await countRest(theirs));
        break;
      }
      if (their === undefined) {
        found.missing += 1;
        found.first ??= `${placeOf(our)}: missing in TO`;
        continue;
      }
      const difference = differenceOf(our, their, inPlace) ?? chainDifference(their, chain);
      chain.set(their.stream, their.commit);
      found.commits += 1;
      found.events += our.events.length;
      if (difference !== undefined) {
        found.different += 1;
        found.first ??= `${placeOf(our)}: ${difference}`;
      }
      if (found.commits % 1_000 === 0) report({ phase: 'verify', done: our.commit, total: last, unit: 'commits' });
    }
    report({ phase: 'verify', done: last, total: last, unit: 'commits' });
    return found;
  } finally {
    await ours.return(undefined);
    await theirs.return(undefined);
  }
}

async function* commitsOf(log: EventLog, last: number, signal: AbortSignal): AsyncGenerator<RecordedCommit, undefined> {
  for await (const batch of readCommits(log, 'start', last, signal)) yield* batch;
  return undefined;
}

async function countRest(commits: AsyncGenerator<RecordedCommit, undefined>): Promise<number> {
  let count = 0;
  while (!(await commits.next()).done) count += 1;
  return count;
}

function chainDifference({ stream, predecessor }: RecordedCommit, chain: ReadonlyMap<StreamName, number>): string | undefined {
  const last = chain.get(stream) ?? null;
  return predecessor === last
    ? undefined
    : `the chain is broken in TO: it follows commit ${predecessor}, but ${last} is the last before it`;
}

function placeOf({ commit, stream, firstVersion }: RecordedCommit): string {
  return `commit ${commit} (${stream}, version ${firstVersion})`;
}

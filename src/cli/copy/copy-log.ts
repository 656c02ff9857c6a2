import { isDeepStrictEqual } from 'node:util';
import type { EventLog, RecordedCommit } from '../../events/event-log.ts';
import type { LogImport } from '../../events/log-import.ts';
import { lastPositionOf } from '../../events/position.ts';
import type { Position } from '../../events/position.ts';
import { provenTail } from '../../events/proven-tail.ts';
import type { JobContext } from '../control-server.ts';
import { JobFailed } from '../control-protocol.ts';
import { readCommits } from './read-commits.ts';

export interface CopySummary {
  /** Copied just now; 0 when all of it was there. */
  readonly copied: number;
  /** In the target now. */
  readonly commits: number;
  /** The end of what was copied, in the source: it may have grown since. */
  readonly upTo: Position | undefined;
}

/**
 * Copies what is missing in the target, up to where the source ends as this begins. Interrupted and called again, it goes on; called again later, it
 * adds what the source has got since, as long as the target got nothing else.
 * @throws {JobFailed} when the target has commits that are not of the source. @throws {LogCorrupt} at a broken chain.
 */
export async function copyLog(source: EventLog, target: LogImport, { signal, report }: JobContext): Promise<CopySummary> {
  const upTo = (await provenTail(source))?.position;
  const last = upTo?.commit ?? 0;
  const before = target.count();
  const after = await whereItWasLeft(source, target, last, signal);
  if (after !== 'start' && after.commit === last) {
    await target.finish();
    return { copied: 0, commits: before, upTo };
  }
  await target.begin();
  for await (const batch of readCommits(source, after, last, signal)) {
    await target.append(batch);
    report({ phase: 'copy', done: batch.at(-1)!.commit, total: last, unit: 'commits' });
  }
  await target.finish();
  return { copied: target.count() - before, commits: target.count(), upTo };
}

/** The place in the source up to which the target holds it. @throws {JobFailed} */
async function whereItWasLeft(source: EventLog, target: LogImport, last: number, signal: AbortSignal): Promise<Position | 'start'> {
  const theirs = await target.last();
  if (theirs === undefined) return 'start';
  const ours = target.keepsPositions
    ? await source.commitAt(lastPositionOf(source.id, theirs))
    : await nthCommit(source, target.count(), last, signal);
  if (ours === undefined || differenceOf(ours, theirs, target.keepsPositions) !== undefined) {
    throw new JobFailed(
      'COPY_DIVERGED',
      `the target has ${target.count()} commits, and the last of them is not that of the source: it was written to, or copied from elsewhere. ` +
        'Choose an empty place',
    );
  }
  return lastPositionOf(source.id, ours);
}

async function nthCommit(source: EventLog, count: number, last: number, signal: AbortSignal): Promise<RecordedCommit | undefined> {
  let seen = 0;
  for await (const batch of readCommits(source, 'start', last, signal)) {
    if (seen + batch.length >= count) return batch[count - seen - 1];
    seen += batch.length;
  }
  return undefined;
}

/** What differs first, in words that hold nothing of the content. `inPlace`: also where they stand, and what they follow. */
export function differenceOf(ours: RecordedCommit, theirs: RecordedCommit, inPlace: boolean): string | undefined {
  const differ = (what: string, a: unknown, b: unknown) => `${what} is ${String(a)} in FROM and ${String(b)} in TO`;
  if (inPlace && ours.commit !== theirs.commit) return differ('the number of the commit', ours.commit, theirs.commit);
  if (ours.stream !== theirs.stream) return differ('the stream', ours.stream, theirs.stream);
  if (ours.firstVersion !== theirs.firstVersion) return differ('the version', ours.firstVersion, theirs.firstVersion);
  if (inPlace && ours.predecessor !== theirs.predecessor) return differ('the predecessor', ours.predecessor, theirs.predecessor);
  if (ours.time !== theirs.time) return differ('the time', ours.time, theirs.time);
  if (!isDeepStrictEqual(ours.metadata, theirs.metadata)) return 'the metadata of the command differs';
  if (ours.events.length !== theirs.events.length) return differ('the number of events', ours.events.length, theirs.events.length);
  for (const [index, event] of ours.events.entries()) {
    const other = theirs.events[index]!;
    if (event.type !== other.type) return differ(`the type of event ${index}`, event.type, other.type);
    if (!isDeepStrictEqual(event, other)) return `the content of event ${index} (${event.type}) differs`;
  }
  return undefined;
}

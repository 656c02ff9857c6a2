import type { Random } from '../random.ts';
import { elementsFrom, takeBatch } from './batches.ts';
import type { SizedCommit } from './batches.ts';
import { decodeEnvelope, encodeEvent, envelopeVersion } from './codec.ts';
import type { EsdbEvent, NewEsdbEvent } from './esdb-client.ts';
import { LogCorrupt } from './event-log.ts';
import type { RecordedCommit } from './event-log.ts';
import { newEventId } from './ids.ts';

// How a commit stands in EventStoreDB: each event as an event there, its data the row of the codec, [type, schema version, field, …]. What belongs to
// the commit is in the metadata of its events:
//   { envelope: 1, index, count, predecessor: number | null, time, command?: [commandId, fingerprint] }     (command: in the first event alone)
// The number of the commit is the server's position of its last event, for that is the one place which an append's answer names.

interface Metadata {
  readonly envelope: unknown;
  readonly index: number;
  readonly count: number;
  readonly predecessor: unknown;
  readonly time: unknown;
  readonly command?: unknown;
}

/**
 * Ids of events are drawn for each append, and never derived. The server answers an append at an older version with success when the very ids of its
 * events stand there, without a look at what they say. Ids made of stream and version would so acknowledge two writers for one version; ids made of
 * the command, two nodes that decided it differently. With fresh ones whoever came second is told so; who got no answer recovers and looks.
 */
export function eventsOf(commit: Omit<RecordedCommit, 'commit'>, random: Random): NewEsdbEvent[] {
  const { predecessor, time, metadata, events } = commit;
  return events.map((event, index) => ({
    id: newEventId(random),
    type: event.type,
    data: encodeEvent(event),
    metadata: {
      envelope: envelopeVersion,
      index,
      count: events.length,
      predecessor,
      time,
      ...(index === 0 && metadata && { command: [metadata.commandId, metadata.fingerprint] }),
    },
  }));
}

/** Where the event stands in its commit. @throws {LogCorrupt} */
export function placeInCommit(event: EsdbEvent): { readonly index: number; readonly count: number } {
  return metadataOf(event);
}

/** Time of the commit that the event belongs to. @throws {LogCorrupt} */
export function timeOf(event: EsdbEvent): number {
  const { time } = metadataOf(event);
  return Number.isSafeInteger(time) ? (time as number) : refuse(event, 'has no time');
}

export interface CommitAssembler {
  /** The commit that the event completes. @throws {LogCorrupt} when it does not fit those before it. */
  add(event: EsdbEvent): SizedCommit | undefined;
}

/** Puts commits together again from their events, which come one after the other. `prefix`: what the streams are called before our own name. */
export function createCommitAssembler(prefix: string): CommitAssembler {
  let first: EsdbEvent | undefined;
  let rows: unknown[] = [];
  let bytes = 0;
  return {
    add(event) {
      const { index, count } = metadataOf(event);
      if (index === 0) {
        if (first !== undefined) refuse(event, `comes before commit ${first.position} is complete`);
        first = event;
      }
      if (first === undefined || index !== rows.length || event.stream !== first.stream || event.revision !== first.revision + index)
        return refuse(event, 'does not continue the commit before it');
      if (count !== metadataOf(first).count) return refuse(event, 'counts the events of its commit differently');
      rows.push(event.data);
      bytes += sizeOf(event.data);
      if (rows.length < count) return undefined;
      const { envelope, predecessor, time, command } = metadataOf(first);
      const stream = first.stream.slice(prefix.length);
      const recorded = decodeEnvelope([envelope, stream, first.revision, predecessor, time, command ?? null, rows], event.position);
      const complete = { recorded, bytes };
      [first, rows, bytes] = [undefined, [], 0];
      return complete;
    },
  };
}

/** The events' complete commits, in batches that are bounded. @throws {LogCorrupt} after what stands before the damage. */
export function* batchesOf(events: readonly EsdbEvent[], assembler: CommitAssembler): Generator<RecordedCommit[]> {
  const commits: SizedCommit[] = [];
  let damage: unknown;
  try {
    for (const event of events) {
      const commit = assembler.add(event);
      if (commit) commits.push(commit);
    }
  } catch (error) {
    damage = error;
  }
  for (let at = 0; at < commits.length;) {
    const batch = takeBatch(elementsFrom(commits, at));
    at += batch.length;
    yield batch;
  }
  if (damage) throw damage;
}

/** About the bytes that its JSON took: what bounds a batch need not be exact, and the client has parsed it away. */
function sizeOf(row: unknown): number {
  if (!Array.isArray(row)) return 0;
  return row.reduce<number>((sum, field) => sum + (typeof field === 'string' ? field.length : 0) + 4, 64);
}

function metadataOf(event: EsdbEvent): Metadata {
  const metadata = event.metadata as Partial<Metadata> | null | undefined;
  const { index, count } = metadata ?? {};
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(count) || (index as number) < 0 || (index as number) >= (count as number))
    return refuse(event, 'does not say which event of a commit it is');
  return metadata as Metadata;
}

function refuse(event: EsdbEvent, what: string): never {
  throw new LogCorrupt(`the event at position ${event.position}, revision ${event.revision} of ${event.stream}, ${what}`);
}

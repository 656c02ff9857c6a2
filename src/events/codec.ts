import { limits } from '../limits.ts';
import { LogCorrupt } from './event-log.ts';
import type { NewCommit, NonEmpty, RecordedCommit, StreamHead } from './event-log.ts';
import { eventSchemas } from './event-schemas.ts';
import type { DomainEvent, EventType } from './event-types.ts';
import type { CommandId, StreamName } from './ids.ts';
import { upcasters } from './upcasters.ts';
import type { Upcasters } from './upcasters.ts';

// THE STORAGE FORMAT. A commit is JSON, in UTF-8, without spaces:
//   [1, stream, firstVersion, predecessor | null, time, [commandId, fingerprint] | null, [event, …]]
// and an event is [type, schema version, field, …]. The first number is the version of this envelope; the number of the commit is not inside,
// because the log gives it.
export const envelopeVersion = 1;

export type UnnumberedCommit = Omit<RecordedCommit, 'commit'>;

/** The caller's commit as the log will hand it out: with the fields of the format alone, whatever else its objects carry. */
export function recordedCommitOf(
  commit: number,
  stream: StreamName,
  after: StreamHead | undefined,
  { time, metadata, events }: NewCommit,
): RecordedCommit {
  const firstVersion = after === undefined ? 0 : after.version + 1;
  const predecessor = after === undefined ? null : after.position.commit;
  const own = events.map(normalised) as unknown as NonEmpty<DomainEvent>;
  // Two literals instead of a spread: this runs once per append, and a spread costs as much as encoding.
  if (metadata === undefined) return { commit, stream, firstVersion, predecessor, time, events: own };
  const { commandId, fingerprint } = metadata;
  return { commit, stream, firstVersion, predecessor, time, metadata: { commandId, fingerprint }, events: own };
}

function normalised(event: DomainEvent): DomainEvent {
  const schema = schemaOf(event.type);
  return schema.fromFields(schema.toFields(event));
}

/** `reserve`: bytes to leave free before the JSON, for an adapter to fill. */
export function encodeCommit(commit: UnnumberedCommit, reserve = 0): Buffer {
  const { stream, firstVersion, predecessor, time, metadata, events } = commit;
  const command = metadata ? [metadata.commandId, metadata.fingerprint] : null;
  const json = JSON.stringify([envelopeVersion, stream, firstVersion, predecessor, time, command, events.map(encodeEvent)]);
  const bytes = Buffer.allocUnsafe(reserve + Buffer.byteLength(json));
  bytes.write(json, reserve);
  return bytes;
}

/** One event as it stands in a commit: its type, the version of its schema, its fields. */
export function encodeEvent(event: DomainEvent): unknown[] {
  const schema = schemaOf(event.type);
  const row: unknown[] = [event.type, schema.version];
  for (const field of schema.toFields(event)) row.push(field);
  return row;
}

/** @throws {LogCorrupt} for anything that `encodeCommit`, in this version or an older one, did not write; the message holds no content. */
export function decodeCommit(bytes: Uint8Array, commit: number, olderShapes: Upcasters = upcasters): RecordedCommit {
  let envelope: unknown;
  try {
    envelope = JSON.parse((Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)).toString());
  } catch {
    // The parser's own message quotes the text, which may be personal.
    throw new LogCorrupt(`commit ${commit}: is not JSON`);
  }
  return decodeEnvelope(envelope, commit, olderShapes);
}

/** The same for JSON that is parsed already. @throws {LogCorrupt} */
export function decodeEnvelope(envelope: unknown, commit: number, olderShapes: Upcasters = upcasters): RecordedCommit {
  // Every subscriber decodes the whole log: places by index, since taking arrays apart by pattern costs as much as parsing them.
  const refuse = (what: string): never => {
    throw new LogCorrupt(`commit ${commit}: ${what}`);
  };
  if (!isArray(envelope)) return refuse('is not an array');
  if (envelope[0] !== envelopeVersion)
    return refuse(`has envelope version ${Number(envelope[0])}, which this version of Starling cannot read`);
  if (envelope.length !== 7) return refuse('has an envelope of the wrong length');
  const stream = envelope[1];
  const firstVersion = envelope[2];
  const predecessor = envelope[3];
  const time = envelope[4];
  const command = envelope[5];
  const rows = envelope[6];
  if (typeof stream !== 'string' || stream === '') return refuse('has no stream name');
  if (!isCount(firstVersion)) return refuse('has no first version');
  if (predecessor !== null && !(isCount(predecessor) && predecessor < commit))
    return refuse('has a predecessor that does not stand before it');
  if ((predecessor === null) !== (firstVersion === 0)) return refuse('has a first version that does not fit its predecessor');
  if (!Number.isSafeInteger(time)) return refuse('has no time');
  if (command !== null && !isCommand(command)) return refuse('has metadata of an unknown shape');
  if (!isArray(rows) || rows.length === 0 || rows.length > limits.eventsPerCommitMax) return refuse('has no events');
  const decoded: DomainEvent[] = [];
  for (const row of rows) decoded.push(decodeEvent(row, olderShapes, commit, decoded.length));
  const events = decoded as unknown as NonEmpty<DomainEvent>;
  if (command === null) return { commit, stream: stream as StreamName, firstVersion, predecessor, time: time as number, events };
  const metadata = { commandId: command[0] as CommandId, fingerprint: command[1] };
  return { commit, stream: stream as StreamName, firstVersion, predecessor, time: time as number, metadata, events };
}

function decodeEvent(row: unknown, olderShapes: Upcasters, commit: number, index: number): DomainEvent {
  const refuse = (what: string): never => {
    throw new LogCorrupt(`commit ${commit}: event ${index} ${what}`);
  };
  if (!isArray(row)) return refuse('is not an array');
  const type = row[0];
  const writtenVersion = row[1];
  if (typeof type !== 'string' || !Object.hasOwn(eventSchemas, type))
    return refuse('has a type that this version of Starling does not know');
  const schema = schemaOf(type as EventType);
  if (!isCount(writtenVersion) || writtenVersion > schema.version)
    return refuse(`(${type}) has a schema version that this version of Starling does not know`);
  let fields: readonly unknown[] = row.slice(2);
  for (let version = writtenVersion; version < schema.version; version += 1) {
    const upcast = olderShapes[type as EventType]?.[version];
    if (upcast === undefined) return refuse(`(${type}) has schema version ${version}, for which there is no upcaster`);
    fields = upcast(fields);
  }
  return schema.fits(fields) ? schema.fromFields(fields) : refuse(`(${type}) has fields of the wrong shape`);
}

interface AnySchema {
  readonly version: number;
  toFields(event: DomainEvent): readonly unknown[];
  fits(fields: readonly unknown[]): boolean;
  fromFields(fields: readonly unknown[]): DomainEvent;
}

function schemaOf(type: EventType): AnySchema {
  return eventSchemas[type];
}

/** As `Array.isArray`, whose answer is an array of anything. */
function isArray(value: unknown): value is readonly unknown[] {
  return Array.isArray(value);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isCommand(value: unknown): value is [string, string] {
  return Array.isArray(value) && value.length === 2 && typeof value[0] === 'string' && typeof value[1] === 'string';
}

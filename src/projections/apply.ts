import type { RecordedCommit } from '../events/event-log.ts';
import { advance, FenceLost } from './checkpoints.ts';
import { DatabaseUnavailable } from './database.ts';
import type { Database } from './database.ts';
import { placeOfEvent } from './places.ts';
import type { Projection, SchemaName, WriteRows } from './projection.ts';

/** An event could not be turned into rows; everything before it has been. */
export class CannotApply extends Error {
  readonly code = 'CANNOT_APPLY';
  override readonly name = 'CannotApply';
}

/** The right to write to a schema, and how far it has got. */
export interface Held {
  readonly schema: SchemaName;
  readonly epoch: string;
  place: string | null;
}

/** @throws {CannotApply} @throws {FenceLost} @throws {DatabaseUnavailable} */
export function applyCommits(database: Database, projection: Projection, held: Held, commits: readonly RecordedCommit[]): Promise<void> {
  return applyOrHalve(database, held, commits, (some) => (session) => projection.write(session, held.schema, some));
}

/** Writes the rows of all commits up to `last`, in one transaction with the checkpoint. */
export async function writeUpTo(database: Database, held: Held, last: RecordedCommit, write: WriteRows): Promise<void> {
  const to = String(placeOfEvent(last.commit, last.events.length - 1));
  await database.transaction({ synchronousCommit: false }, async (session) => {
    await advance(session, { projection: held.schema, epoch: held.epoch }, held.place, to);
    await write(session);
  });
  held.place = to;
}

/** If commits cannot be applied together they are applied in halves, so that everything before the culprit is there and the culprit has a name. */
export async function applyOrHalve(
  database: Database,
  held: Held,
  commits: readonly RecordedCommit[],
  rowsOf: (commits: readonly RecordedCommit[]) => WriteRows,
): Promise<void> {
  const last = commits.at(-1)!;
  try {
    await writeUpTo(database, held, last, rowsOf(commits));
  } catch (cause) {
    if (!isForRows(cause)) throw cause;
    if (commits.length === 1) {
      const types = [...new Set(last.events.map(({ type }) => type))].join(', ');
      throw new CannotApply(
        `commit ${last.commit} of ${last.stream} (${types}): ${cause instanceof Error ? cause.message : String(cause)}`,
        { cause },
      );
    }
    const half = Math.ceil(commits.length / 2);
    await applyOrHalve(database, held, commits.slice(0, half), rowsOf);
    await applyOrHalve(database, held, commits.slice(half), rowsOf);
  }
}

/** The rows were refused: neither the right to write them was, nor is the database away. */
export function isForRows(cause: unknown): boolean {
  return !(cause instanceof FenceLost || cause instanceof DatabaseUnavailable || cause instanceof CannotApply);
}

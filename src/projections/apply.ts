import type { RecordedCommit } from '../events/event-log.ts';
import { advance, FenceLost } from './checkpoints.ts';
import { DatabaseUnavailable } from './database.ts';
import type { Database } from './database.ts';
import { placeOfEvent } from './places.ts';
import type { Projection, SchemaName } from './projection.ts';

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

/**
 * Applies commits in one transaction with the checkpoint. If they cannot be applied together they are applied in halves, so that everything before
 * the culprit is there and the culprit has a name.
 * @throws {CannotApply} @throws {FenceLost} @throws {DatabaseUnavailable}
 */
export async function applyCommits(
  database: Database,
  projection: Projection,
  held: Held,
  commits: readonly RecordedCommit[],
  loading = false,
): Promise<void> {
  const last = commits.at(-1)!;
  const to = String(placeOfEvent(last.commit, last.events.length - 1));
  try {
    await database.transaction({ synchronousCommit: false }, async (session) => {
      await advance(session, { projection: held.schema, epoch: held.epoch }, held.place, to);
      await (loading ? projection.load(session, held.schema, commits) : projection.write(session, held.schema, commits));
    });
    held.place = to;
  } catch (cause) {
    if (cause instanceof FenceLost || cause instanceof DatabaseUnavailable || cause instanceof CannotApply) throw cause;
    if (commits.length === 1) {
      const types = [...new Set(last.events.map(({ type }) => type))].join(', ');
      throw new CannotApply(`commit ${last.commit} (${types}): ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    }
    const half = Math.ceil(commits.length / 2);
    await applyCommits(database, projection, held, commits.slice(0, half), loading);
    await applyCommits(database, projection, held, commits.slice(half), loading);
  }
}

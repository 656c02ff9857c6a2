import type { RecordedCommit } from '../events/event-log.ts';
import { advance, FenceLost } from './checkpoints.ts';
import { DatabaseUnavailable } from './database.ts';
import type { Database, Session } from './database.ts';
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

/** How commits become rows: made ready at once, written when there is a session. */
type Prepare = (commits: readonly RecordedCommit[]) => (session: Session) => Promise<void>;

/** @throws {CannotApply} @throws {FenceLost} @throws {DatabaseUnavailable} */
export function applyCommits(database: Database, projection: Projection, held: Held, commits: readonly RecordedCommit[]): Promise<void> {
  return apply(database, held, commits, (some) => (session) => projection.write(session, held.schema, some));
}

/**
 * The same for a schema that is being loaded. The rows are made ready by this call, and written when `begun` has resolved: so one batch is made ready
 * while the one before is on its way.
 */
export async function loadCommits(
  database: Database,
  projection: Projection,
  held: Held,
  commits: readonly RecordedCommit[],
  begun: Promise<unknown>,
): Promise<void> {
  const prepare: Prepare = (some) => projection.prepareLoad(held.schema, some);
  const ready = prepare(commits);
  await begun;
  await apply(database, held, commits, prepare, ready);
}

/**
 * Applies commits in one transaction with the checkpoint. If they cannot be applied together they are applied in halves, so that everything before
 * the culprit is there and the culprit has a name.
 */
async function apply(
  database: Database,
  held: Held,
  commits: readonly RecordedCommit[],
  prepare: Prepare,
  write = prepare(commits),
): Promise<void> {
  const last = commits.at(-1)!;
  const to = String(placeOfEvent(last.commit, last.events.length - 1));
  try {
    await database.transaction({ synchronousCommit: false }, async (session) => {
      await advance(session, { projection: held.schema, epoch: held.epoch }, held.place, to);
      await write(session);
    });
    held.place = to;
  } catch (cause) {
    if (cause instanceof FenceLost || cause instanceof DatabaseUnavailable || cause instanceof CannotApply) throw cause;
    if (commits.length === 1) {
      const types = [...new Set(last.events.map(({ type }) => type))].join(', ');
      throw new CannotApply(
        `commit ${last.commit} of ${last.stream} (${types}): ${cause instanceof Error ? cause.message : String(cause)}`,
        { cause },
      );
    }
    const half = Math.ceil(commits.length / 2);
    await apply(database, held, commits.slice(0, half), prepare);
    await apply(database, held, commits.slice(half), prepare);
  }
}

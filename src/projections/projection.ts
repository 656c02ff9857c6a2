import type { RecordedCommit } from '../events/event-log.ts';
import type { Session } from './database.ts';
import type { ProjectionName } from './read-model.ts';

/** The schema that a projection writes to: the live one, the shadow that a replay builds, or the one kept for a roll-back. */
export type SchemaName = ProjectionName | `${ProjectionName}_shadow` | `${ProjectionName}_old`;

/** Turns events into rows. Every column derives from events alone: no serials, no `now()`, no sums of floats. */
export interface Projection {
  readonly name: ProjectionName;
  /** Rises with every change of tables or of their meaning: rows of another version are not compared, and not written to. */
  readonly version: number;
  readonly tables: readonly string[];
  /** SQL of the tables, of their keys and indexes, and of tables that a replay needs besides while it loads; `schema.` stands before each name. */
  readonly tablesSql: string;
  readonly indexesSql: string;
  readonly loadingSql: string;
  /** Applies commits to a schema, in log order. Applying a commit twice changes nothing. */
  write(session: Session, schema: SchemaName, commits: readonly RecordedCommit[]): Promise<void>;
  /**
   * The same into a new schema without keys that nobody reads: rows are only added, each commit once, and `finishLoad` makes of them what `write` would
   * have. What can be made ready without the database is made at once, while the rows of the batch before are still being written.
   */
  prepareLoad(schema: SchemaName, commits: readonly RecordedCommit[]): (session: Session) => Promise<void>;
  finishLoad(session: Session, schema: SchemaName): Promise<void>;
}

/** SQL files name their schema `schema.`; this puts the real one in. */
export function inSchema(sql: string, schema: SchemaName): string {
  return sql.replaceAll('schema.', `${schema}.`);
}

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
  /** SQL of the tables, of their indexes and then the keys made of them, and of tables that a replay needs besides while it loads; `schema.` stands before each name. */
  readonly tablesSql: string;
  readonly indexesSql: string;
  readonly loadingSql: string;
  /** Applies commits to a schema, in log order. Applying a commit twice changes nothing. */
  write(session: Session, schema: SchemaName, commits: readonly RecordedCommit[]): Promise<void>;
  /** The same into a new schema without keys that nobody reads: rows are only added, each commit once, and `afterLoad` makes of them what `write` would have. */
  startLoad(schema: SchemaName): Loader;
  readonly afterLoad: AfterLoad;
}

/** Makes rows of commits as they come: nothing of a commit has to be kept while those before it are being written. */
export interface Loader {
  /** In the order of the log. */
  add(commit: RecordedCommit): void;
  /** For what was added since it was called last, at least one commit. */
  take(): WriteRows;
}

export type WriteRows = (session: Session) => Promise<void>;

/** Statements, in SQL as in the files. */
export interface AfterLoad {
  /** Take out what was undone later. */
  readonly undo: readonly string[];
  /** Then fill the tables `summed` with sums over the others, whose indexes are built meanwhile. */
  readonly sum: readonly string[];
  readonly summed: readonly string[];
}

/** SQL files name their schema `schema.`; this puts the real one in. */
export function inSchema(sql: string, schema: SchemaName): string {
  return sql.replaceAll('schema.', `${schema}.`);
}

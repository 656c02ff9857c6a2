// The Database port. The adapter over npm `pg` stands in postgres-database.ts and alone imports it.

export interface Statement {
  /** Names a statement that is prepared once per connection; leave it out for what runs rarely. */
  readonly name?: string;
  readonly text: string;
  readonly values?: readonly unknown[];
}

/** One connection inside a transaction. */
export interface Session {
  query<Row extends object>(statement: Statement): Promise<Row[]>;
}

export interface Database extends Session {
  /** Commits when `work` resolves, rolls back when it throws. `synchronousCommit` defaults to true; projections, which can repeat, turn it off. */
  transaction<T>(
    options: { isolation?: 'read committed' | 'repeatable read'; readOnly?: boolean; synchronousCommit?: boolean },
    work: (session: Session) => Promise<T>,
  ): Promise<T>;
  /** LISTEN on a connection of its own; `onLost` when it breaks (the listening is then over: call again), not when it was stopped. */
  listen(channel: string, onMessage: (payload: string) => void, onLost: (cause: unknown) => void): Promise<() => Promise<void>>;
  close(): Promise<void>;
}

/** PostgreSQL cannot be reached, or ended the connection: nothing is known to have been written; callers may try again. */
export class DatabaseUnavailable extends Error {
  readonly code = 'DATABASE_UNAVAILABLE';
  override readonly name = 'DatabaseUnavailable';
}

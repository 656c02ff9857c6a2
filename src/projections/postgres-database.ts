import pg from 'pg';
import { limits } from '../limits.ts';
import type { Logger } from '../logger.ts';
import { DatabaseUnavailable } from './database.ts';
import type { Database, Session, Statement } from './database.ts';

/** A PostgreSQL, by URL (`DATABASE_URL`) or by the folder of its Unix socket. */
export type DatabaseTarget = { readonly url: string } | { readonly host: string; readonly user: string; readonly database: string };

/**
 * Connects and checks that the server will do.
 * @throws {DatabaseUnavailable} when it cannot be reached.
 * @throws {Error} with the cure, when it is too old or not in UTF-8.
 */
export async function openDatabase(
  target: DatabaseTarget,
  options: { logger: Logger; poolSize?: number; applicationName?: string; idleInTransactionMs?: number },
): Promise<Database> {
  const config: pg.PoolConfig = {
    ...('url' in target ? { connectionString: target.url } : target),
    application_name: options.applicationName ?? 'starling',
    max: options.poolSize ?? limits.databasePoolSize,
    connectionTimeoutMillis: limits.databaseConnectTimeoutMs,
    idleTimeoutMillis: 30_000,
    // Every query is served by an index. The server's guess, made while a table was small, must not outlive that: a sequential scan stays the last choice.
    options: '-c enable_seqscan=off -c jit=off',
    keepAlive: true,
    keepAliveInitialDelayMillis: 5_000,
    statement_timeout: limits.databaseStatementTimeoutMs,
    lock_timeout: limits.databaseLockTimeoutMs,
    // A holder that was stopped inside its transaction must not keep its row locks from its successor.
    idle_in_transaction_session_timeout: options.idleInTransactionMs ?? limits.databaseIdleInTransactionMs,
  };
  const pool = new pg.Pool(config);
  // A connection that breaks while it idles is replaced when it is needed; without a listener it would end the process.
  pool.on('error', (cause) => options.logger.debug({ error: cause.message }, 'an idle database connection ended'));

  const database: Database = {
    query: (statement) => run(pool, statement),
    transaction: (settings, work) => inTransaction(pool, settings, work),
    listen: (channel, onMessage, onLost) => listen(config, channel, onMessage, onLost),
    close: () => pool.end(),
  };
  try {
    await checkServer(database);
  } catch (cause) {
    await pool.end();
    throw cause;
  }
  return database;
}

async function checkServer(database: Database): Promise<void> {
  const [found] = await database.query<{ version: string; encoding: string }>({
    text: `select current_setting('server_version_num') as version, current_setting('server_encoding') as encoding`,
  });
  if (Number(found!.version) < 140_000) throw new Error(`PostgreSQL ${found!.version} is too old: Starling needs 14 or later`);
  if (found!.encoding !== 'UTF8') {
    throw new Error(
      `the database is in ${found!.encoding} and cannot hold every text: create one with "create database starling encoding 'UTF8' template template0"`,
    );
  }
}

async function run<Row extends object>(client: pg.Pool | pg.PoolClient, statement: Statement): Promise<Row[]> {
  try {
    const result = await client.query<Row>(statement as pg.QueryConfig);
    return result.rows;
  } catch (cause) {
    throw translate(cause);
  }
}

async function inTransaction<T>(
  pool: pg.Pool,
  settings: Parameters<Database['transaction']>[0],
  work: (session: Session) => Promise<T>,
): Promise<T> {
  const isolation = settings.isolation === 'repeatable read' ? 'repeatable read' : 'read committed';
  const begin = `begin isolation level ${isolation}${settings.readOnly ? ' read only' : ''}${settings.synchronousCommit === false ? '; set local synchronous_commit = off' : ''}`;
  let client: pg.PoolClient;
  try {
    client = await pool.connect();
  } catch (cause) {
    throw translate(cause);
  }
  let broken: Error | undefined;
  // Between statements an error has nobody to reject: the next statement will.
  const onError = (cause: Error) => {
    broken = cause;
  };
  client.on('error', onError);
  try {
    await run(client, { text: begin });
    const result = await work({ query: (statement) => run(client, statement) });
    await run(client, { text: 'commit' });
    return result;
  } catch (cause) {
    if (cause instanceof DatabaseUnavailable) broken ??= cause;
    // A connection that cannot even roll back is thrown away.
    else await client.query('rollback').catch((failure: Error) => (broken ??= failure));
    throw cause;
  } finally {
    client.off('error', onError);
    client.release(broken);
  }
}

async function listen(
  config: pg.ClientConfig,
  channel: string,
  onMessage: (payload: string) => void,
  onLost: (cause: unknown) => void,
): Promise<() => Promise<void>> {
  const client = new pg.Client({ ...config, application_name: `${config.application_name} listener` });
  let over = false;
  const lost = (cause: unknown) => {
    if (over) return;
    over = true;
    client.end().catch(() => undefined);
    onLost(cause);
  };
  client.on('notification', (message) => {
    if (!over && message.channel === channel) onMessage(message.payload ?? '');
  });
  let listening = false;
  client.on('error', (cause) => {
    if (listening) lost(translate(cause));
  });
  client.on('end', () => {
    if (listening) lost(new DatabaseUnavailable('the connection that listened has ended'));
  });
  try {
    await client.connect();
    await client.query(`listen ${pg.escapeIdentifier(channel)}`);
    listening = true;
  } catch (cause) {
    over = true;
    client.end().catch(() => undefined);
    throw translate(cause);
  }
  return async () => {
    if (over) return;
    over = true;
    await client.end();
  };
}

// Classes and codes of SQLSTATE after which the same work may succeed later: connection exceptions, insufficient resources (a full disk),
// operator intervention (shutdown, start-up, cancelled by a time limit), idle in transaction, read only (the old primary after a fail-over), serialisation
// failure, deadlock, lock not available.
const passing = /^(08...|53...|57...|25P03|25006|40001|40P01|55P03)$/;
const network = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOENT',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EACCES',
]);
const ofDriver =
  /^(Connection terminated|timeout exceeded when trying to connect|Client has encountered|Client was closed|Cannot use a pool after)/;

/** Errors that say nothing against the work itself become DatabaseUnavailable; messages of the driver carry no values of ours. */
function translate(cause: unknown): unknown {
  if (!(cause instanceof Error) || cause instanceof DatabaseUnavailable) return cause;
  const code = (cause as Error & { code?: string }).code ?? '';
  if (passing.test(code) || network.has(code) || ofDriver.test(cause.message)) {
    return new DatabaseUnavailable(`PostgreSQL is not available (${code || cause.message})`, { cause });
  }
  return cause;
}

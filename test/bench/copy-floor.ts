import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Client } from 'pg';
import type { ClientConfig } from 'pg';
import { from as copyFrom, to as copyTo } from 'pg-copy-streams';

const schema = 'bench_copy';

export interface CopyFloor {
  /** Seconds from the first COPY to the end of the commit. */
  readonly seconds: number;
  readonly rows: number;
}

/**
 * The floor of a replay: `COPY` of the rows of these schemas into empty tables with the same columns, keys and indexes, in one
 * transaction. The tables are committed before, as they would be in any system that runs.
 */
export async function measureCopyFloor(connection: ClientConfig, schemas: readonly string[]): Promise<CopyFloor> {
  const client = new Client(connection);
  await client.connect();
  try {
    const tables = await tablesOf(client, schemas);
    const contents: Buffer[][] = [];
    await dropSchema(client);
    await client.query(`create schema ${schema}`);
    for (const { name, target } of tables) {
      contents.push(await copyOut(client, name));
      await client.query(`create table ${target} (like ${name} including all)`);
    }
    let rows = 0;
    const startedAt = performance.now();
    await client.query('begin');
    for (const [index, { target }] of tables.entries()) {
      const stream = client.query(copyFrom(`copy ${target} from stdin`));
      await pipeline(Readable.from(contents[index]!), stream);
      rows += stream.rowCount;
    }
    await client.query('commit');
    return { seconds: (performance.now() - startedAt) / 1_000, rows };
  } finally {
    await dropSchema(client).catch(() => {});
    await client.end();
  }
}

async function tablesOf(client: Client, schemas: readonly string[]): Promise<{ name: string; target: string }[]> {
  const found = await client.query<{ schemaname: string; tablename: string }>(
    'select schemaname, tablename from pg_tables where schemaname = any($1) order by 1, 2',
    [schemas],
  );
  if (found.rows.length === 0) throw new Error(`no tables in ${schemas.join(', ')}`);
  return found.rows.map((row) => ({
    name: `${client.escapeIdentifier(row.schemaname)}.${client.escapeIdentifier(row.tablename)}`,
    target: `${schema}.${client.escapeIdentifier(`${row.schemaname}_${row.tablename}`)}`,
  }));
}

/** The rows in memory, so that reading them is no part of the floor. */
async function copyOut(client: Client, table: string): Promise<Buffer[]> {
  const chunks: Buffer[] = [];
  for await (const chunk of client.query(copyTo(`copy ${table} to stdout`))) chunks.push(chunk as Buffer);
  return chunks;
}

async function dropSchema(client: Client): Promise<void> {
  await client.query(`drop schema if exists ${schema} cascade`);
}

import { createReadStream } from 'node:fs';
import { type FileHandle, rm } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import type { DataDirectory } from '../../data-directory.ts';
import type { Logger } from '../../logger.ts';
import { limits } from '../../limits.ts';
import type { Database } from '../../projections/database.ts';

// Sessions are the one thing that is not in the log and that users would miss. In a backup they are a file with a JSON object on each line.
// A restore leaves that file in the data directory, and the first start after it puts the sessions into the database.

export const savedSessionsName = 'sessions.ndjson';

/** Writes all sessions of one moment; returns how many. */
export async function saveSessions(database: Database, file: FileHandle): Promise<number> {
  return database.transaction({ isolation: 'repeatable read', readOnly: true }, async (session) => {
    let count = 0;
    let after = '\\x';
    for (;;) {
      const rows = await session.query<{ key: string; line: string }>({
        text: 'select token_hash::text as key, to_jsonb(s)::text as line from starling.sessions s where token_hash > $1::bytea order by token_hash limit $2',
        values: [after, limits.sessionsPerStatementMax],
      });
      if (rows.length === 0) return count;
      // Not `write`, which may take a part and say so: on a disk that is nearly full it does.
      await file.appendFile(`${rows.map((row) => row.line).join('\n')}\n`);
      count += rows.length;
      after = rows.at(-1)!.key;
    }
  });
}

/** Loads what a restore has left, and takes the file away when all of it is in the database. */
export async function loadSavedSessions(directory: DataDirectory, database: Database, logger: Logger): Promise<void> {
  const path = directory.inside(savedSessionsName);
  const lines = createInterface({ input: createReadStream(path), crlfDelay: Infinity });
  let batch: string[] = [];
  const flush = async (): Promise<void> => {
    await database.query({
      text: 'insert into starling.sessions select * from jsonb_populate_recordset(null::starling.sessions, $1::jsonb) on conflict do nothing',
      values: [`[${batch.join(',')}]`],
    });
    batch = [];
  };
  try {
    for await (const line of lines) {
      if (batch.push(line) >= limits.sessionsPerStatementMax) await flush();
    }
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw cause;
  }
  if (batch.length > 0) await flush();
  await rm(path);
  logger.info({}, 'sessions of the backup are back');
}

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Load } from './load.ts';

export interface ClientRecords {
  readonly acknowledged: string;
  readonly pushes: string;
}

/** Writes down what the clients of loads that have finished were told and pushed, as files for `starling verify`. */
export async function writeClientRecords(loads: readonly Load[], folder: string): Promise<ClientRecords> {
  const files = { acknowledged: join(folder, 'acknowledged.ndjson'), pushes: join(folder, 'pushes.ndjson') };
  await writeFile(files.acknowledged, toLines(loads.flatMap((load) => load.commandRecords())));
  await writeFile(files.pushes, toLines(loads.flatMap((load) => load.pushRecords())));
  return files;
}

function toLines(records: readonly object[]): string {
  return records.map((record) => `${JSON.stringify(record)}\n`).join('');
}

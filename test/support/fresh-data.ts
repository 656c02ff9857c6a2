import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { openDataDirectory, postgresFolder } from '../../src/data-directory.ts';
import { copyPostgresTemplate } from './postgres-template.ts';
import { tempDir } from './temp-dir.ts';

/** A data directory with nothing in it but the files of PostgreSQL, as the first start makes them, for tests of something else. Goes when the running test ends. */
export async function freshData(name: string): Promise<string> {
  return makeFreshData(join(await tempDir(name), 'data'));
}

/** The same at `path`; whoever makes it removes it. */
export async function makeFreshData(path: string): Promise<string> {
  const directory = await openDataDirectory(path);
  const postgres = directory.inside(postgresFolder);
  await mkdir(postgres, { mode: 0o700 });
  await copyPostgresTemplate(join(postgres, 'cluster'));
  await directory.release();
  return path;
}

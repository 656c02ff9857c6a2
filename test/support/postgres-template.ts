import { execFile } from 'node:child_process';
import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { inject } from 'vitest';
import type { TestProject } from 'vitest/node';
import { findPostgresBinaries } from '../../src/projections/postgres-binaries.ts';
import { initialiseCluster } from '../../src/projections/postgres-cluster.ts';
import { makeTempDir } from './temp-dir.ts';

declare module 'vitest' {
  interface ProvidedContext {
    postgresTemplate: string;
  }
}

// To make the files of a PostgreSQL takes a second of computing, to copy them a tenth of that: once for a run of the tests.
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await makeTempDir('template');
  const template = join(folder.path, 'cluster');
  await initialiseCluster(await findPostgresBinaries(), template);
  // A killed server loses nothing by that, and the machine stays on.
  await appendFile(join(template, 'postgresql.conf'), 'fsync = off\nfull_page_writes = off\n');
  project.provide('postgresTemplate', template);
  return () => folder.remove();
}

/** Makes `cluster` the files of a PostgreSQL that never ran. */
export async function copyPostgresTemplate(cluster: string): Promise<void> {
  await promisify(execFile)('cp', ['-Rp', inject('postgresTemplate'), cluster]);
}

import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { inject } from 'vitest';
import type { TestProject } from 'vitest/node';
import { findPostgresBinaries } from '../../src/projections/postgres-binaries.ts';
import { initialiseCluster } from '../../src/projections/postgres-cluster.ts';
import { makeTempDir } from './temp-dir.ts';
import type { TempDir } from './temp-dir.ts';

declare module 'vitest' {
  interface ProvidedContext {
    postgresTemplate: string;
  }
}

// To make the files of a PostgreSQL takes a second of computing, to copy them a tenth of that: they are made once for a run of the tests.
let folder: TempDir;

export async function setup(project: TestProject): Promise<void> {
  folder = await makeTempDir('template');
  const template = join(folder.path, 'cluster');
  await initialiseCluster(await findPostgresBinaries(), template);
  project.provide('postgresTemplate', template);
}

export const teardown = (): Promise<void> => folder.remove();

/** Makes `cluster` the files of a PostgreSQL that never ran. */
export async function copyPostgresTemplate(cluster: string): Promise<void> {
  await promisify(execFile)('cp', ['-Rp', inject('postgresTemplate'), cluster]);
}

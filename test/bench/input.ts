import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { writePopulation } from './population.ts';

/** The files that the import reads. `label` says in every output what was measured. */
export interface Input {
  readonly follows: string;
  readonly posts: string;
  readonly label: string;
}

const besideTheProject = fileURLToPath(new URL('../../../shared/data', import.meta.url));
const seed = 2;

/** The real data from `--data`, `STARLING_TEST_DATA` or beside the project; else a generated population, labelled as such. */
export async function findInput(options: {
  data: string | undefined;
  generatedUsers: number;
  folder: string;
  generate: boolean;
}): Promise<Input> {
  const named = options.data ?? process.env['STARLING_TEST_DATA'];
  const data = resolve(named ?? besideTheProject);
  const files = { follows: join(data, 'follows.tsv.gz'), posts: join(data, 'posts.txt.gz') };
  const found = existsSync(files.follows) && existsSync(files.posts);
  if (!found && named !== undefined) throw new Error(`${data} has no follows.tsv.gz and posts.txt.gz`);
  if (found && !options.generate) return { ...files, label: 'real data' };
  const generated = await writePopulation(options.folder, options.generatedUsers, seed);
  return {
    ...generated,
    label: `GENERATED power-law population of ${options.generatedUsers.toLocaleString('en-US')} users, not the real data`,
  };
}

/** The first texts of the posts file: what the load posts. */
export async function readTexts(input: Input, count: number): Promise<readonly string[]> {
  return (await readLines(input.posts)).slice(0, count);
}

/** The lines of a file, plain or gzip, without empty ones. */
export async function readLines(path: string): Promise<readonly string[]> {
  const bytes = await readFile(path);
  const text = (path.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8');
  return text.split('\n').filter((line) => line.trim() !== '');
}

import { execFile } from 'node:child_process';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'vitest';
import type { Result } from '../bench/harness.ts';
import { tempDir } from './temp-dir.ts';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));

/** `npm run bench` with these arguments, without the build. */
export const bench = (...args: string[]) =>
  run(process.execPath, ['--import', 'tsx', 'test/bench/main.ts', ...args], { cwd: root, env: { ...process.env, NO_COLOR: '1' } });

/** Runs these scenarios, small: every one gives figures, on the terminal and in the files. */
export async function expectFigures(...scenarios: readonly string[]): Promise<void> {
  const out = await tempDir('bench-out');
  const { stdout } = await bench(...scenarios, '--quick', '--out', out);

  const { results, data } = JSON.parse(await readFile(join(out, 'results.json'), 'utf8')) as { results: Result[]; data: string };
  expect(data).toContain('GENERATED');
  expect([...new Set(results.map((result) => result.scenario))]).toEqual(scenarios);
  for (const { title, measured } of results) {
    // Nothing may be left of actors that were put away, and no command may fail; all else takes time or room.
    const mayBeNothing = title.startsWith('left after') || title.startsWith('commands that failed');
    expect(measured.median, title).toBeGreaterThanOrEqual(mayBeNothing ? 0 : Number.MIN_VALUE);
    expect(Number.isFinite(measured.median), title).toBe(true);
    expect(stdout).toContain(title);
  }
  expect(await readdir(out)).toEqual(expect.arrayContaining(['results.json', 'results.svg']));
  expect(await readFile(join(out, 'results.svg'), 'utf8')).toMatch(/^<svg[\s\S]*<\/svg>\s*$/);
}

import { execFile } from 'node:child_process';
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, expect, test } from 'vitest';
import type { Result } from '../bench/harness.ts';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));
const folders: string[] = [];
afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true }))));

const bench = (...args: string[]) =>
  run(process.execPath, ['--import', 'tsx', 'test/bench/main.ts', ...args], { cwd: root, env: { ...process.env, NO_COLOR: '1' } });

test('the whole bench runs, small, and every scenario gives a figure beside its target', { timeout: 240_000 }, async () => {
  const out = await mkdtemp(join(tmpdir(), 'starling-bench-out-'));
  folders.push(out);
  const { stdout } = await bench('--quick', '--out', out);

  const { results, data } = JSON.parse(await readFile(join(out, 'results.json'), 'utf8')) as { results: Result[]; data: string };
  expect(data).toContain('GENERATED');
  const scenarios = ['import', 'replay', 'home', 'posts', 'latency', 'fan-out', 'memory', 'scaling', 'cluster'];
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
});

test('an unknown scenario is refused with the names there are', async () => {
  const failed = await bench('hoem').catch((cause: unknown) => cause as { code: number; stderr: string });
  expect(failed).toMatchObject({ code: 2, stderr: expect.stringContaining('there are import, replay, home') });
});

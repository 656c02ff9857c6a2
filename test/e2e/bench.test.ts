import { expect, test } from 'vitest';
import { bench, expectFigures } from '../support/bench-process.ts';

test('every scenario of one machine runs, small, and gives a figure beside its target', { timeout: 240_000 }, () =>
  expectFigures('import', 'replay', 'home', 'posts', 'latency', 'fan-out', 'memory', 'scaling'),
);

test('an unknown scenario is refused with the names there are', async () => {
  const failed = await bench('hoem').catch((cause: unknown) => cause as { code: number; stderr: string });
  expect(failed).toMatchObject({ code: 2, stderr: expect.stringContaining('there are import, replay, home') });
});

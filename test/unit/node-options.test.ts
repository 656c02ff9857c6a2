import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { nodeOptions } from '../../src/node-options.ts';

const file = (name: string) => readFile(new URL(`../../${name}`, import.meta.url), 'utf8');

test('Node gets the same options however Starling is started', async () => {
  const [firstLine] = (await file('bin/starling.js')).split('\n');
  expect(firstLine).toBe(`#!/usr/bin/env -S node ${nodeOptions.join(' ')}`);
  const { scripts } = JSON.parse(await file('package.json')) as { scripts: Record<string, string> };
  expect(scripts['start']).toBe(`node ${nodeOptions.join(' ')} bin/starling.js start`);
  // The image starts the program by its first line.
  expect(await file('docker/Dockerfile')).toMatch(/ENTRYPOINT \["starling"\]/);
});

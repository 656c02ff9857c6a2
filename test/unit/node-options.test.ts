import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { nodeOptions } from '../../src/node-options.ts';

const file = (name: string) => readFile(new URL(`../../${name}`, import.meta.url), 'utf8');

test('Node gets the same options wherever read models are built', async () => {
  const { scripts } = JSON.parse(await file('package.json')) as { scripts: Record<string, string> };
  expect(scripts['start']).toBe(`node ${nodeOptions.join(' ')} bin/starling.js start`);
  expect(await file('README.md')).toContain(`NODE_OPTIONS=${nodeOptions.join(' ')}`);
});

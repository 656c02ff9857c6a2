import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { limitsPage, writtenLimitsPage } from '../../scripts/limits-page.ts';
import { limits } from '../../src/limits.ts';

test('the page of limits says what the source says (after a change: npx tsx scripts/limits-page.ts)', () => {
  expect(writtenLimitsPage()).toBe(limitsPage());
});

test('no limit is missing on the page', () => {
  const missing = Object.keys(limits).filter((name) => !writtenLimitsPage().includes(`\`${name}\``));
  expect(missing).toEqual([]);
});

test('nor a word of what is said about one', () => {
  const source = readFileSync(new URL('../../src/limits.ts', import.meta.url), 'utf8');
  const lines = source.matchAll(/^ {2}(?:\/\*\*| \*) (.+?)(?: \*\/)?$/gm);
  expect([...lines].map(([, words]) => words!).filter((words) => !writtenLimitsPage().includes(words))).toEqual([]);
});

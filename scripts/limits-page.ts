// Writes docs/limits.md from src/limits.ts, so that the page cannot say anything else: `npx tsx scripts/limits-page.ts`. A test compares the two.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { limits } from '../src/limits.ts';

const source = fileURLToPath(new URL('../src/limits.ts', import.meta.url));
const page = fileURLToPath(new URL('../docs/limits.md', import.meta.url));

/** The page as it should be. A comment goes for all the entries up to the next one. */
export function limitsPage(): string {
  const lines = [
    '# Limits',
    '',
    'Every bound of the system, made from [`src/limits.ts`](../src/limits.ts). Times are in milliseconds, sizes in bytes.',
  ];
  let comment: string | undefined;
  for (const line of inOneLine(readFileSync(source, 'utf8')).split('\n')) {
    const heading = /^ {2}\/\/ -+ (.+)$/.exec(line)?.[1];
    if (heading !== undefined)
      lines.push('', `## ${heading[0]?.toUpperCase()}${heading.slice(1)}`, '', '| limit | value | what and why |', '| --- | --- | --- |');
    comment = /^ {2}\/\*\* (.+) \*\/$/.exec(line)?.[1] ?? comment;
    const name = /^ {2}(\w+):/.exec(line)?.[1];
    if (name === undefined || !isLimit(name)) continue;
    lines.push(`| \`${name}\` | ${shown(limits[name])} | ${comment ?? ''} |`);
    comment = '″';
  }
  return `${lines.join('\n')}\n`;
}

/** Comments of several lines as one. */
function inOneLine(text: string): string {
  return text.replaceAll(/\/\*\*[^/]*\*\//g, (comment) => comment.replaceAll(/\s*\n\s*(?:\*(?!\/))?\s*/g, ' '));
}

export function writtenLimitsPage(): string {
  return readFileSync(page, 'utf8');
}

function isLimit(name: string): name is keyof typeof limits {
  return Object.hasOwn(limits, name);
}

function shown(value: (typeof limits)[keyof typeof limits]): string {
  return typeof value === 'number'
    ? value.toLocaleString('en')
    : Object.entries(value)
        .map(([key, each]) => `${key} ${each}`)
        .join(', ');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(page, limitsPage());

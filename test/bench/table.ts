import { reach } from './harness.ts';
import type { Machine, Result, Spread } from './harness.ts';

/** Colours for a terminal that wants them (see https://no-color.org). */
const coloured = process.stdout.isTTY === true && (process.env['NO_COLOR'] ?? '') === '';
const paint = (code: number, text: string) => (coloured ? `\u001b[${code}m${text}\u001b[0m` : text);
const green = (text: string) => paint(32, text);
const red = (text: string) => paint(31, text);
const dim = (text: string) => paint(2, text);

/** Three significant digits, thousands apart: 12,345 / 1.23 / 0.0123. */
export function figure(value: number): string {
  if (value === 0) return '0';
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en-US');
  return Number(value.toPrecision(3)).toString();
}

const measure = (spread: Spread, unit: string) => `${figure(spread.median)}${unit === 'x' ? '' : ` ${unit}`}`;
const rangeOf = (spread: Spread) => (spread.rounds.length < 2 ? '' : `${figure(spread.min)}–${figure(spread.max)}`);

export function verdict(result: Result): 'reached' | 'short' | '' {
  const part = reach(result);
  if (part === undefined) return '';
  return part >= 1 ? 'reached' : 'short';
}

const headings = ['scenario', 'measured', 'floor', 'ratio or size', 'min–max', 'target', ''];

/** The rows of the table as plain text; the README shows the same. */
export function cells(result: Result): string[] {
  const { target, subject, floor } = result;
  return [
    result.title,
    subject === undefined ? '' : `${figure(subject.median)} ${subject.unit}`,
    floor === undefined ? '' : `${figure(floor.median)} ${floor.unit}`,
    measure(result.measured, result.unit),
    rangeOf(result.measured),
    target === undefined ? '' : `${target.kind === 'at least' ? '≥' : '≤'} ${figure(target.value)}`,
    verdict(result),
  ];
}

/** The table for the terminal. */
export function table(results: readonly Result[], facts: Machine, data: string): string {
  const rows = results.map(cells);
  const widths = headings.map((heading, column) => Math.max(heading.length, ...rows.map((row) => row[column]!.length)));
  const line = (row: readonly string[]) =>
    row.map((cell, column) => (column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)));
  const lines = [dim(line(headings).join('  '))];
  results.forEach((result, index) => {
    const padded = line(rows[index]!);
    const last = padded.length - 1;
    padded[last] = verdict(result) === 'short' ? red(padded[last]!) : green(padded[last]!);
    lines.push(padded.join('  '));
    if (result.latencyMs !== undefined) {
      const { p50, p90, p99, p999, max } = result.latencyMs;
      lines.push(
        dim(`    latency ms: p50 ${figure(p50)}  p90 ${figure(p90)}  p99 ${figure(p99)}  p99.9 ${figure(p999)}  max ${figure(max)}`),
      );
    }
    for (const note of result.notes) lines.push(dim(`    ${note}`));
  });
  return [...lines, '', dim(`${data}; ${facts.cores} cores (${facts.cpu}), Node ${facts.node}, ${facts.date}`)].join('\n');
}

/** The same as Markdown, for the README of the bench. */
export function markdown(results: readonly Result[]): string {
  const row = (fields: readonly string[]) => `| ${fields.join(' | ')} |`;
  return [row(headings), row(headings.map(() => '---')), ...results.map((result) => row(cells(result)))].join('\n');
}

/** One line that rewrites itself on a terminal, a line for each step elsewhere. */
export function createProgress(): { show(text: string): void; clear(): void } {
  const stream = process.stderr;
  let shown = '';
  return {
    show(text) {
      if (text === shown) return;
      shown = text;
      if (stream.isTTY) stream.write(`\r\u001b[2K${text.slice(0, (stream.columns || 80) - 1)}`);
      else stream.write(`${text}\n`);
    },
    clear() {
      if (stream.isTTY && shown !== '') stream.write('\r\u001b[2K');
      shown = '';
    },
  };
}

import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import type { Terminal } from '../terminal.ts';

/** One line of a process as a person reads it: our JSON becomes a time, a level where it is worth one, and its message; the rest stays as it is. */
export function readableLine(line: string): string {
  const entry = parse(line);
  if (entry === undefined) return line;
  const { level, time, msg, ...fields } = entry;
  const more = Object.entries(fields).map(([name, value]) => `${name}=${brief(value)}`);
  const word = level >= 50 ? 'ERROR ' : level >= 40 ? 'WARN ' : '';
  return [`${time.slice(11, 23)} ${word}${msg}`, ...more].join(' ');
}

/** Shows what a process writes, each line behind the name of the process. */
export function showLines(
  stream: Readable,
  from: { readonly name: string; readonly shows?: (line: string) => boolean },
  terminal: Terminal,
): void {
  const prefix = terminal.dim(from.name.padEnd(14));
  createInterface({ input: stream }).on('line', (line) => {
    if (line.trim() !== '' && (from.shows?.(line) ?? true)) terminal.print(`${prefix} ${readableLine(line)}`);
  });
}

interface Entry {
  readonly level: number;
  readonly time: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

function parse(line: string): Entry | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    const value = JSON.parse(line) as Partial<Entry>;
    return typeof value.level === 'number' && typeof value.time === 'string' && typeof value.msg === 'string'
      ? (value as Entry)
      : undefined;
  } catch {
    return undefined;
  }
}

/** An error shows its message; its stack is for whoever reads the JSON. */
function brief(value: unknown): string {
  if (typeof value === 'object' && value !== null && 'message' in value) return JSON.stringify(value.message);
  return typeof value === 'string' && /^[\w./:@-]+$/.test(value) ? value : JSON.stringify(value);
}

import { readTerminalPreferences } from '../config.ts';

/** Where a command speaks: results on standard output, everything about how it goes on standard error. */
export interface Terminal {
  print(line: string): void;
  say(line: string): void;
  /** Somebody watches standard error, and it can move the cursor. */
  readonly motion: boolean;
  bold(text: string): string;
  dim(text: string): string;
  red(text: string): string;
}

export function openTerminal(): Terminal {
  const preferences = readTerminalPreferences();
  const paint = (code: number, stream: NodeJS.WriteStream) => (text: string) =>
    preferences.color && stream.isTTY ? `\u001B[${code}m${text}\u001B[0m` : text;
  return {
    print: (line) => void process.stdout.write(`${line}\n`),
    say: (line) => void process.stderr.write(`${line}\n`),
    motion: preferences.motion && process.stderr.isTTY,
    bold: paint(1, process.stdout),
    dim: paint(2, process.stdout),
    red: paint(31, process.stderr),
  };
}

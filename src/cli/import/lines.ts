import { open, stat } from 'node:fs/promises';
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { limits } from '../../limits.ts';

/** A file that cannot be imported: the message names the file and, where there is one, the line. */
export class ImportFileError extends Error {
  readonly code = 'IMPORT_FILE';
  override readonly name = 'ImportFileError';
  constructor(file: string, line: number | undefined, what: string, options?: ErrorOptions) {
    super(`${file}${line === undefined ? '' : `:${line}`}: ${what}`, options);
  }
}

/** Some lines in a row, without their ends. */
export interface LineBatch {
  /** Number of the first one, from 1. */
  readonly firstLine: number;
  readonly lines: readonly string[];
}

/** Reads UTF-8 text, plain or gzip (told apart by its first bytes), a block at a time. @throws {ImportFileError} */
export async function* readLines(file: string): AsyncGenerator<LineBatch> {
  let line = 1;
  let rest: Buffer = Buffer.alloc(0);
  try {
    for await (const chunk of textOf(file)) {
      const block = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      const end = block.lastIndexOf(10) + 1;
      rest = block.subarray(end);
      if (rest.length > limits.importLineBytesMax)
        throw new ImportFileError(file, line + count(block, end), `the line is longer than ${limits.importLineBytesMax} bytes`);
      if (end === 0) continue;
      const batch = decode(file, line, block.subarray(0, end - 1));
      yield batch;
      line += batch.lines.length;
    }
  } catch (cause) {
    throw explain(file, line, cause);
  }
  if (rest.length > 0) yield decode(file, line, rest);
}

async function* textOf(file: string): AsyncGenerator<Buffer> {
  const found = await stat(file);
  // Before it is opened: opening a pipe that nobody writes to holds a thread of the node for ever.
  if (!found.isFile() && !found.isDirectory())
    throw new ImportFileError(file, undefined, 'not a file that can be read more than once: write what a pipe gives into a file first');
  const handle = await open(file, 'r');
  const magic = Buffer.alloc(2);
  const { bytesRead } = await handle.read(magic, 0, 2, 0).catch(async (cause: unknown) => {
    await handle.close();
    throw cause;
  });
  const { size } = await handle.stat();
  const bytes = handle.createReadStream({ start: 0, highWaterMark: 256 * 1024 });
  if (bytesRead < 2 || magic[0] !== 0x1f || magic[1] !== 0x8b) return yield* bytes;
  const gunzip = createGunzip({ chunkSize: 256 * 1024 });
  // The pipeline hands every error to whoever reads the last stream.
  yield* pipeline(bytes, gunzip, () => undefined);
  // The library takes a zero byte behind a part for padding, and reads no further, whatever follows.
  if (gunzip.bytesWritten < size) {
    const where = `at byte ${gunzip.bytesWritten} of ${size}`;
    throw new ImportFileError(file, undefined, `the gzip data is followed by zero bytes, ${where}: was a part of the file lost?`);
  }
}

function decode(file: string, firstLine: number, block: Buffer): LineBatch {
  try {
    return { firstLine, lines: split(new TextDecoder('utf-8', { fatal: true, ignoreBOM: firstLine > 1 }).decode(block)) };
  } catch {
    // Once more, line by line, to name the one that is broken.
    let line = firstLine;
    for (let start = 0; start <= block.length; line++) {
      const found = block.indexOf(10, start);
      const end = found < 0 ? block.length : found;
      if (!isUtf8(block.subarray(start, end))) break;
      start = end + 1;
    }
    throw new ImportFileError(file, line, 'not valid UTF-8');
  }
}

function split(text: string): string[] {
  const lines = text.split('\n');
  return text.includes('\r') ? lines.map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line)) : lines;
}

function isUtf8(bytes: Buffer): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}

function count(block: Buffer, end: number): number {
  let lines = 0;
  for (let at = block.indexOf(10); at >= 0 && at < end; at = block.indexOf(10, at + 1)) lines++;
  return lines;
}

function explain(file: string, line: number, cause: unknown): unknown {
  const { code } = cause as NodeJS.ErrnoException;
  const near = `after about line ${line - 1}`;
  if (code === 'Z_BUF_ERROR')
    return new ImportFileError(file, undefined, `the gzip data ends too soon (${near}): was the file cut?`, { cause });
  if (code?.startsWith('Z_')) return new ImportFileError(file, undefined, `the gzip data is damaged (${near})`, { cause });
  if (code === 'ENOENT') return new ImportFileError(file, undefined, 'no such file', { cause });
  if (code === 'EISDIR') return new ImportFileError(file, undefined, 'a directory, not a file', { cause });
  if (code === 'EACCES' || code === 'EPERM') return new ImportFileError(file, undefined, 'this user may not read it', { cause });
  return cause;
}

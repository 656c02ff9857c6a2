import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { JobFailed } from '../control-protocol.ts';

export const manifestName = 'manifest.json';
const backupFormat = 1;

/** What a backup holds, and how to see that it still does. */
export interface Manifest {
  readonly format: number;
  /** RFC 3339. */
  readonly createdAt: string;
  readonly logId: string;
  readonly commits: number;
  /** Of the last event, as clients see positions; null in an empty log. */
  readonly position: string | null;
  readonly sessions: number;
  readonly files: readonly { readonly name: string; readonly bytes: number; readonly sha256: string }[];
}

export async function createManifest(about: Omit<Manifest, 'format' | 'files'>, files: readonly string[]): Promise<Manifest> {
  return {
    format: backupFormat,
    ...about,
    files: await Promise.all(files.map(async (file) => ({ name: basename(file), ...(await digest(file)) }))),
  };
}

/** Reads the manifest of an unpacked backup and checks every file against it. @throws {JobFailed} naming what is wrong. */
export async function verifyManifest(folder: string, expected: readonly string[]): Promise<Manifest> {
  const text = await readFile(join(folder, manifestName), 'utf8').catch(() => undefined);
  if (text === undefined) throw damaged('it has no manifest');
  let manifest: Manifest;
  try {
    manifest = JSON.parse(text) as Manifest;
  } catch {
    throw damaged('its manifest cannot be read');
  }
  if (typeof manifest?.format !== 'number') throw damaged('its manifest cannot be read');
  if (manifest.format > backupFormat)
    throw new JobFailed(
      'BACKUP_NEWER',
      `the backup has format ${manifest.format}, and this Starling reads up to ${backupFormat}: restore it with the newer Starling`,
    );
  const { createdAt, logId, commits, sessions, files } = manifest;
  const isWhole = [createdAt, logId].every((value) => typeof value === 'string') && [commits, sessions].every(Number.isSafeInteger);
  if (!isWhole || !Array.isArray(files)) throw damaged('its manifest cannot be read');
  for (const name of expected) {
    const wanted = files.find((file) => file?.name === name);
    if (wanted === undefined) throw damaged(`${name} is missing`);
    const found = await digest(join(folder, name)).catch(() => undefined);
    if (found?.sha256 !== wanted.sha256) throw damaged(`${name} is not what was saved`);
  }
  return manifest;
}

export function damaged(what: string, cause?: unknown): JobFailed {
  return new JobFailed('BACKUP_DAMAGED', `the backup is damaged or no backup of Starling: ${what}`, { cause });
}

async function digest(file: string): Promise<{ bytes: number; sha256: string }> {
  const sum = createHash('sha256');
  let bytes = 0;
  for await (const chunk of createReadStream(file)) {
    sum.update(chunk as Buffer);
    bytes += (chunk as Buffer).length;
  }
  return { bytes, sha256: sum.digest('hex') };
}

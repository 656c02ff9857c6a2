import { mkdir, open, readFile, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { lockDirectory } from './directory-lock.ts';
import { folderForSocket } from './socket-path.ts';
import { syncPath } from './sync-path.ts';

/**
 * Format of the data directory as a whole; what stands in the log and in the database has versions of its own. Since 2 the log has a journal: a Starling that
 * knows of none would miss what only stands there.
 */
export const dataFormat = 2;

/** Folder of the event log inside of the data directory. */
export const logFolder = 'log';

/** Folder of the embedded PostgreSQL. */
export const postgresFolder = 'postgres';

/** A data directory that this process alone uses. */
export interface DataDirectory {
  readonly path: string;
  /** Where the control socket of whoever holds the directory listens. */
  readonly controlSocket: string;
  /** True when it was made, or found empty, just now. */
  readonly fresh: boolean;
  inside(name: string): string;
  release(): Promise<void>;
}

/** The data directory cannot be used as it is: the message says why, and what to do. */
export class DataDirectoryError extends Error {
  readonly code = 'DATA_DIRECTORY';
  override readonly name = 'DataDirectoryError';
}

/**
 * Makes the directory where it is missing (mode 0700), locks it and checks its format.
 * `forRestore`: only an empty one will do, or what a restore that was interrupted has left of one.
 * @throws {DataDirectoryError} @throws {DirectoryInUse}
 */
export async function openDataDirectory(path: string, options: { readonly forRestore?: boolean } = {}): Promise<DataDirectory> {
  const directory = resolve(path);
  await makeDirectory(directory).catch((cause: unknown) => refuse(directory, cause));
  await leaveOthersAlone(directory).catch((cause: unknown) => refuse(directory, cause));
  const lock = await lockDirectory(directory).catch((cause: unknown) => refuse(directory, cause));
  try {
    await checkRestore(directory, options.forRestore ?? false).catch((cause: unknown) => refuse(directory, cause));
    const fresh = await checkFormat(directory).catch((cause: unknown) => refuse(directory, cause));
    const controlSocket = await controlSocketOf(directory);
    return { path: directory, controlSocket, fresh, inside: (name) => join(directory, name), release: () => lock.release() };
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/**
 * For commands that have nothing to do without what is there already: a backup of a new and empty directory would look like a good one.
 * @throws {DataDirectoryError}
 */
export async function requireDataDirectory(path: string): Promise<void> {
  const directory = resolve(path);
  const found = await stat(join(directory, 'version')).catch((cause: NodeJS.ErrnoException) => {
    // Anything else is told when the directory is opened.
    if (cause.code === 'ENOENT' || cause.code === 'ENOTDIR') return undefined;
    return cause;
  });
  if (found === undefined)
    throw new DataDirectoryError(`there is no data directory of Starling at ${directory}: say where it is with --data or STARLING_DATA`);
}

/** With its parents. By ourselves: the recursive one of Node never ends where a file system answers ENOENT for a parent that is there, as /proc does. */
async function makeDirectory(path: string, tries = 2): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'EEXIST' && (await stat(path)).isDirectory()) return;
    if (code !== 'ENOENT' || tries === 1 || dirname(path) === path) throw cause;
    await makeDirectory(dirname(path));
    await makeDirectory(path, 1);
  }
}

export async function controlSocketOf(path: string): Promise<string> {
  return join(await folderForSocket(resolve(path), 'control.sock'), 'control.sock');
}

/** A folder of somebody else does not even get a lock file. Where there is one, whoever holds it may be making the directory right now. */
async function leaveOthersAlone(directory: string): Promise<void> {
  const names = await readdir(directory);
  const isOurs = (name: string) => name === 'version' || name === unfinishedRestore || name.startsWith('lock.');
  if (!names.some(isOurs) && !names.every(isNothing)) throw notOurs(directory);
}

function notOurs(directory: string): DataDirectoryError {
  return new DataDirectoryError(
    `${directory} is neither empty nor a data directory of Starling (it has no file "version"): choose another one with --data`,
  );
}

/** Stands in the directory while a restore fills it. */
export const unfinishedRestore = 'restore.unfinished';

async function checkRestore(directory: string, forRestore: boolean): Promise<void> {
  const names = await readdir(directory);
  const unfinished = names.includes(unfinishedRestore);
  if (!forRestore && unfinished) {
    throw new DataDirectoryError(`a restore to ${directory} was interrupted: run it again`);
  }
  if (forRestore && !unfinished && !names.every((name) => name === 'version' || isNothing(name))) {
    throw new DataDirectoryError(
      `${directory} is not empty, and a restore overwrites nothing: choose another directory with --data, or move this one away`,
    );
  }
}

/** What a lock or a file system leaves behind. */
function isNothing(name: string): boolean {
  return name.startsWith('lock.') || name === 'lost+found' || name === 'version.draft';
}

/** Returns whether the directory is a fresh one. */
async function checkFormat(directory: string): Promise<boolean> {
  const file = join(directory, 'version');
  const text = await readFile(file, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return undefined;
    throw cause;
  });
  if (text === undefined) {
    if (!(await readdir(directory)).every(isNothing)) throw notOurs(directory);
    await writeVersion(directory, file);
    return true;
  }
  const found = /^([1-9]\d{0,8})\n?$/.exec(text)?.[1];
  if (found === undefined) throw new DataDirectoryError(`${file} is damaged: it should hold ${dataFormat}, the format of the directory`);
  if (Number(found) > dataFormat) {
    throw new DataDirectoryError(
      `${directory} has format ${found}, and this Starling reads up to format ${dataFormat}: start it with the newer Starling that wrote it`,
    );
  }
  // Before anything is written that an older Starling would not read.
  if (Number(found) < dataFormat) await writeVersion(directory, file);
  return false;
}

async function writeVersion(directory: string, file: string): Promise<void> {
  const draft = join(directory, 'version.draft');
  const handle = await open(draft, 'w', 0o600);
  try {
    await handle.writeFile(`${dataFormat}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(draft, file).catch(async (cause: unknown) => {
    await rm(draft, { force: true });
    throw cause;
  });
  // Or a power cut could bring back the one before, beside what only this one knows of.
  await syncPath(directory);
}

/** Turns the system's error codes into what an operator can act on; ours pass through. */
function refuse(directory: string, cause: unknown): never {
  const code = (cause as NodeJS.ErrnoException).code;
  const reason = {
    EACCES: 'this user may not read and write it: change its owner or mode',
    EPERM: 'this user may not read and write it: change its owner or mode',
    EROFS: 'it stands on a file system that can only be read',
    ENOENT: 'it cannot be made there',
    ENOTDIR: 'it is not a directory, or a part of its path is not one',
    EEXIST: 'it is not a directory',
    ENOSPC: 'the disk is full: make room on it',
    EDQUOT: 'the quota of this user is used up: make room in it',
    ENAMETOOLONG: 'the path is too long',
    ELOOP: 'its symbolic links go round in a circle',
  }[code ?? ''];
  if (reason === undefined) throw cause;
  throw new DataDirectoryError(`the data directory ${directory} cannot be used: ${reason}. Another one is chosen with --data`, { cause });
}

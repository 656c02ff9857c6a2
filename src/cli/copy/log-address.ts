import { resolve } from 'node:path';
import type { Clock } from '../../clock.ts';
import { logFolder, openDataDirectory, requireDataDirectory } from '../../data-directory.ts';
import type { EventLog } from '../../events/event-log.ts';
import { openLmdbImport, openLmdbLog } from '../../events/lmdb-log.ts';
import type { CopiedLog, LogImport } from '../../events/log-import.ts';
import type { Logger } from '../../logger.ts';
import type { Random } from '../../random.ts';
import { UsageError } from '../arguments.ts';

/** Where a log is. `directory`: an absolute path, of a data directory. */
export interface LogAddress {
  readonly engine: 'lmdb';
  readonly directory: string;
}

export interface LogPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** `lmdb:PATH`, or a path. @throws {UsageError} */
export function parseLogAddress(text: string): LogAddress {
  const [, scheme, rest = ''] = /^([a-z]{2,}):(.*)$/s.exec(text) ?? [undefined, 'lmdb', text];
  if (scheme !== 'lmdb') throw new UsageError(`"${scheme}:" is no event log: lmdb:DIRECTORY is, or just DIRECTORY`);
  if (rest === '' || rest.includes('\0')) throw new UsageError(`"${text}" names no data directory`);
  return { engine: 'lmdb', directory: resolve(rest) };
}

export function formatLogAddress({ engine, directory }: LogAddress): string {
  return `${engine}:${directory}`;
}

/** To read only, also beside the process that writes it. @throws {LogUnavailable} with the cure. */
export async function openLogToRead({ directory }: LogAddress, ports: LogPorts): Promise<{ log: EventLog; dense: boolean }> {
  await requireDataDirectory(directory);
  return { log: await openLmdbLog({ directory: resolve(directory, logFolder), readOnly: true, ...ports }), dense: true };
}

/** A place that nobody else uses meanwhile; closing lets go of it. @throws {LogUnavailable} @throws {DirectoryInUse} */
export async function openLogToFill({ directory }: LogAddress, source: CopiedLog, ports: LogPorts): Promise<LogImport> {
  const held = await openDataDirectory(directory);
  try {
    const filled = await openLmdbImport({ directory: held.inside(logFolder), source, ...ports });
    return {
      ...filled,
      async close() {
        await filled.close();
        await held.release();
      },
    };
  } catch (error) {
    await held.release();
    throw error;
  }
}

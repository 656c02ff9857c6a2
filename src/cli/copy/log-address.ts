import { realpath } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Clock } from '../../clock.ts';
import type { Config } from '../../config.ts';
import { logFolder, openDataDirectory, requireDataDirectory } from '../../data-directory.ts';
import type { EventLog } from '../../events/event-log.ts';
import { openEventStoreDbImport, openEventStoreDbLog } from '../../events/esdb-log.ts';
import { openJetStreamImport } from '../../events/jetstream-import.ts';
import { openJetStreamLog } from '../../events/jetstream-log.ts';
import { openLmdbImport, openLmdbLog } from '../../events/lmdb-log.ts';
import type { CopiedLog, LogImport } from '../../events/log-import.ts';
import type { Logger } from '../../logger.ts';
import type { NatsOptions } from '../../nats/nats-connection.ts';
import type { Random } from '../../random.ts';
import { UsageError } from '../arguments.ts';

/** Where a log is. `directory`: the absolute path of a data directory. `url` may hold a password, so it is never shown. */
export type LogAddress =
  | { readonly engine: 'lmdb'; readonly directory: string }
  | ({ readonly engine: 'jetstream'; readonly space: string } & NatsServers)
  | { readonly engine: 'eventstoredb'; readonly space: string; readonly url: string };

interface NatsServers {
  readonly servers: readonly string[];
  readonly files: NonNullable<NatsOptions['files']>;
  readonly replicas: number;
}

export interface LogPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** The forms in which an address is given, for the help. */
export const addressForms = 'lmdb:DIRECTORY (or just DIRECTORY), jetstream:SPACE or eventstoredb:SPACE';

/** Where the servers are stands in the environment, as for a node. @throws {UsageError} */
export function parseLogAddress(text: string, config: Config): LogAddress {
  const [, scheme, rest = ''] = /^([a-z]{2,}):(.*)$/s.exec(text) ?? [undefined, 'lmdb', text];
  if (rest === '' || rest.includes('\0')) throw new UsageError(`"${text}" is no address of a log: ${addressForms}`);
  if (scheme === 'lmdb') return { engine: 'lmdb', directory: resolve(rest) };
  if (scheme === 'jetstream') return jetStream(rest, config);
  if (scheme !== 'eventstoredb') throw new UsageError(`"${scheme}:" is no event log: ${addressForms}`);
  return eventStoreDb(rest, config);
}

/** The log of the system that the configuration is of. @throws {UsageError} */
export function configuredLog(config: Config): LogAddress {
  const { logEngine, dataDirectory, space = 'starling' } = config;
  switch (logEngine) {
    case 'lmdb':
      return { engine: 'lmdb', directory: dataDirectory };
    case 'eventstoredb':
      return eventStoreDb(space, config);
    case 'jetstream':
      return jetStream(space, config);
  }
}

function jetStream(space: string, { natsUrl, natsFiles, logReplicas }: Config): LogAddress {
  if (natsUrl === undefined) throw new UsageError('jetstream needs NATS_URL, the address of its servers');
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(space)) throw new UsageError(`"${space}" is no name of a space: 1 to 64 of A-Z a-z 0-9 _ - are`);
  return { engine: 'jetstream', space, servers: natsUrl, files: natsFiles, replicas: logReplicas };
}

function eventStoreDb(space: string, { eventStoreDbUrl: url }: Config): LogAddress {
  if (url === undefined) throw new UsageError('eventstoredb needs EVENTSTOREDB_URL, the address of its server');
  return { engine: 'eventstoredb', space, url };
}

export function formatLogAddress(address: LogAddress): string {
  return address.engine === 'lmdb' ? `lmdb:${address.directory}` : `${address.engine}:${address.space}`;
}

/** The same log, whatever links lead to it. */
export async function isSameLog(a: LogAddress, b: LogAddress): Promise<boolean> {
  if (a.engine !== 'lmdb' || b.engine !== 'lmdb') return formatLogAddress(a) === formatLogAddress(b);
  const [one, other] = await Promise.all([a, b].map(({ directory }) => realpath(directory).catch(() => directory)));
  return one === other;
}

/** To read only, also beside the process that writes it. `dense`: are its commits numbered one by one? @throws {LogUnavailable} with the cure. */
export async function openLogToRead(address: LogAddress, ports: LogPorts): Promise<{ log: EventLog; dense: boolean }> {
  switch (address.engine) {
    case 'lmdb':
      await requireDataDirectory(address.directory);
      return { log: await openLmdbLog({ directory: resolve(address.directory, logFolder), readOnly: true, ...ports }), dense: true };
    case 'jetstream':
      return { log: await openJetStreamLog({ ...address, ...ports, replicas: 1, name: 'starling reader', existing: true }), dense: true };
    case 'eventstoredb':
      return { log: await openEventStoreDbLog({ ...address, ...ports, existing: true }), dense: false };
  }
}

/** A place that nobody else uses meanwhile; closing lets go of it. @throws {LogUnavailable} @throws {DirectoryInUse} */
export async function openLogToFill(address: LogAddress, source: CopiedLog, ports: LogPorts): Promise<LogImport> {
  switch (address.engine) {
    case 'lmdb':
      return fillDirectory(address.directory, source, ports);
    case 'jetstream':
      return openJetStreamImport({ ...address, source, ...ports, name: 'starling log copy' });
    case 'eventstoredb':
      return openEventStoreDbImport({ ...address, source, ...ports });
  }
}

async function fillDirectory(directory: string, source: CopiedLog, ports: LogPorts): Promise<LogImport> {
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

import type { Clock } from './clock.ts';
import type { Config } from './config.ts';
import type { DataDirectory } from './data-directory.ts';
import { logFolder } from './data-directory.ts';
import type { EventLog } from './events/event-log.ts';
import type { LmdbEventLog } from './events/lmdb-log.ts';
import type { Logger } from './logger.ts';
import type { Metrics } from './metrics.ts';
import type { Random } from './random.ts';

export interface OpenedLog {
  readonly log: EventLog;
  /** The same, where it is in the data directory. */
  readonly embedded: LmdbEventLog | undefined;
  /** Keeps the subjects of this system apart from those of others. */
  readonly space: string;
}

/** The event log that the configuration names. The adapters are loaded by whom needs them: each brings a large client. */
export async function openLog(
  config: Config,
  directory: DataDirectory,
  ports: { clock: Clock; random: Random; logger: Logger; metrics: Metrics },
): Promise<OpenedLog> {
  const space = config.space ?? 'starling';
  switch (config.logEngine) {
    case 'lmdb': {
      const { openLmdbLog } = await import('./events/lmdb-log.ts');
      const log = await openLmdbLog({ ...ports, directory: directory.inside(logFolder) });
      return { log, embedded: log, space: config.space ?? log.id };
    }
    case 'jetstream': {
      const { openJetStreamLog } = await import('./events/jetstream-log.ts');
      const servers = { servers: config.natsUrl ?? [], files: config.natsFiles, name: 'starling log' };
      return { log: await openJetStreamLog({ ...ports, ...servers, space, replicas: config.logReplicas }), embedded: undefined, space };
    }
    case 'eventstoredb': {
      const { openEventStoreDbLog } = await import('./events/esdb-log.ts');
      return { log: await openEventStoreDbLog({ ...ports, url: config.eventStoreDbUrl ?? '', space }), embedded: undefined, space };
    }
  }
}

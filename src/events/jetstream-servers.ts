import { Events } from 'nats';
import type { NatsConnection } from 'nats';
import type { Logger } from '../logger.ts';
import type { NatsRequests } from '../nats/nats-requests.ts';
import { limits } from '../limits.ts';
import { LogUnavailable } from './event-log.ts';

/** Streams have metadata from here on, which holds the id of the log. */
const versionMin = '2.10.0';
/** Older ones acknowledge both of two writers that race, when there are replicas (nats-server issue 4320). */
const versionMinReplicated = '2.10.27';

/**
 * Looks at the server that we are connected to, since others tell us nothing about themselves; each is looked at when we come to it.
 * @throws {LogUnavailable} with the cure.
 */
export function assertServerFits(info: { readonly version: string; readonly max_payload: number } | undefined, replicas: number): void {
  const needed = replicas > 1 ? versionMinReplicated : versionMin;
  const version = info?.version ?? '0.0.0';
  if (isOlder(version, needed))
    throw new LogUnavailable(
      `this nats-server is version ${version}, and an event log with ${replicas} ${replicas > 1 ? 'replicas' : 'replica'} needs ${needed} or later: ` +
        'renew every server of the cluster',
    );
  // A commit of the largest size must fit.
  const room = limits.commitBytesMax + limits.jetStreamHeaderBytes;
  if (info !== undefined && info.max_payload < room)
    throw new LogUnavailable(
      `this nats-server takes messages of ${info.max_payload} bytes at the most, the log needs ${room}: raise max_payload`,
    );
}

function isOlder(version: string, than: string): boolean {
  const [left, right] = [version, than].map((text) => text.split(/[.-]/).map(Number)) as [number[], number[]];
  const index = [0, 1, 2].find((part) => left[part] !== right[part]);
  return index !== undefined && !((left[index] ?? 0) > (right[index] ?? 0));
}

/**
 * Each server that the connection comes to may be another version: a cluster is renewed one by one. And an operator may give the log more copies, which older
 * servers do not keep safe. `log`: how many there are now.
 */
export function watchServers(
  connection: Pick<NatsConnection, 'info' | 'status'>,
  { log, logger }: { readonly log: { readonly replicas: number }; readonly logger: Logger },
): { /** @throws {LogUnavailable} with the cure. */ assertFit(): void } {
  let looked: { readonly info: typeof connection.info; readonly replicas: number } = { info: connection.info, replicas: log.replicas };
  let unfit: Error | undefined;

  /** Without a connection nothing is known of the next server, and nothing can be sent. */
  function look(): void {
    const { info } = connection;
    const { replicas } = log;
    if (info === undefined || (info === looked.info && replicas === looked.replicas)) return;
    looked = { info, replicas };
    unfit = undefined;
    try {
      assertServerFits(info, replicas);
    } catch (error) {
      unfit = error as Error;
      logger.error({ err: error }, 'this server does not fit; the event log takes no appends from here');
    }
  }

  const watch = async () => {
    for await (const { type } of connection.status()) if (type === Events.Reconnect) look();
  };
  void watch();
  return {
    assertFit() {
      look();
      if (unfit) throw new LogUnavailable(unfit.message, { cause: unfit });
    },
  };
}

/** A new leader knows nothing of what its predecessor was asked: waiting for those answers would only prolong the gap. Who may not listen waits longer. */
export function watchElections(
  connection: NatsConnection,
  { stream, requests, logger }: { stream: string; requests: NatsRequests; logger: Logger },
): void {
  connection.subscribe(`$JS.EVENT.ADVISORY.STREAM.LEADER_ELECTED.${stream}`, {
    callback(refused) {
      if (refused) return logger.debug({ err: refused }, 'elections of the event log cannot be heard');
      logger.info({}, 'the event log has a new leader');
      void requests.giveUp(limits.jetStreamElectedMs, 'its leader was replaced');
    },
  });
}

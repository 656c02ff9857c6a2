import type { Clock } from '../clock.ts';
import { limits } from '../limits.ts';
import type { Logger } from '../logger.ts';
import { NatsRequestFailed } from '../nats/nats-requests.ts';
import { LogCorrupt, LogUnavailable } from './event-log.ts';
import { JetStreamRefused, notFound } from './jetstream-api.ts';
import type { JetStreamApi, StreamInfo } from './jetstream-api.ts';
import { expectingLast, lastSequenceIn } from './jetstream-append.ts';
import { aboutSequence, aboutSubject, decodeAbout, encodeAbout, formatVersion, natsStreamOf, subjectOf } from './jetstream-message.ts';
import type { About } from './jetstream-message.ts';

export interface LogStream extends About {
  /** As many as the stream has, which may be more than were asked for. */
  readonly replicas: number;
  /** A copy of another log that goes on: nobody may take it for the whole log. */
  readonly copyUnfinished: boolean;
}

export interface LogStreamOptions {
  readonly api: JetStreamApi;
  readonly space: string;
  readonly replicas: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How long to wait for a cluster that is only just starting. */
  readonly patienceMs: number;
  /** What a new log says about itself; without it none is made. */
  readonly aboutNew: (() => About) | undefined;
}

/** Finds the NATS stream of the log, or makes it. @throws {LogUnavailable} with the cure. @throws {LogCorrupt} */
export async function openLogStream(options: LogStreamOptions): Promise<LogStream> {
  const { clock, patienceMs, logger } = options;
  const giveUpAt = clock.monotonicMs() + patienceMs;
  for (;;) {
    try {
      const { config } = checked(await findOrMake(options), options);
      const about = await findOrMakeAbout(options);
      // Marked from its first message on, whatever becomes of the metadata when two make the stream at the same moment.
      const copyUnfinished = about.copyOf !== undefined && config.metadata?.[copyKey] !== copyComplete;
      return { ...about, replicas: config.num_replicas, copyUnfinished };
    } catch (cause) {
      if (cause instanceof LogUnavailable || cause instanceof LogCorrupt) throw cause;
      if (!mayPass(cause) || clock.monotonicMs() > giveUpAt) throw refusal(cause, options);
      logger.debug({ err: cause }, 'JetStream is not ready yet');
      await clock.sleep(limits.jetStreamRetryMs);
    }
  }
}

const copyKey = 'starling_copy';
const copyComplete = 'complete';

/** Says of a copy whether it goes on. @throws {JetStreamRefused} @throws {NatsRequestFailed} */
export async function markCopy(api: JetStreamApi, space: string, unfinished: boolean): Promise<void> {
  const stream = natsStreamOf(space);
  const { config } = await api.streamInfo(stream);
  await api.updateStream(stream, { ...config, metadata: { ...config.metadata, [copyKey]: unfinished ? 'unfinished' : copyComplete } });
}

async function findOrMake({ api, space, replicas, aboutNew }: LogStreamOptions): Promise<StreamInfo> {
  const stream = natsStreamOf(space);
  const found = await api.streamInfo(stream).catch((error: unknown) => {
    if (error instanceof JetStreamRefused && error.errorCode === notFound.stream) return undefined;
    throw error;
  });
  if (found) return found;
  if (aboutNew === undefined) throw new LogUnavailable(`there is no event log in JetStream: it has no stream ${stream}`);
  await api
    .createStream(stream, {
      subjects: [aboutSubject(space), subjectOf(space, '*')],
      storage: 'file',
      num_replicas: replicas,
      retention: 'limits',
      discard: 'new',
      max_msgs: -1,
      max_bytes: -1,
      max_age: 0,
      max_msgs_per_subject: -1,
      deny_delete: true,
      deny_purge: true,
      // The least that is allowed, in nanoseconds: no message has an id, since the expected sequence keeps a second one out.
      duplicate_window: 100_000_000,
      // Reading a message by its number need not trouble the leader.
      allow_direct: true,
      metadata: { starling_format: String(formatVersion) },
    })
    .catch((error: unknown) => {
      // Somebody else made it a moment ago, with another number of replicas.
      if (!(error instanceof JetStreamRefused && error.errorCode === refusals.nameInUse)) throw error;
    });
  return api.streamInfo(stream);
}

/** Whoever writes the first message decides which log this is. */
async function findOrMakeAbout({ api, space, aboutNew }: LogStreamOptions): Promise<About> {
  const stream = natsStreamOf(space);
  for (;;) {
    const first = await api.messageAt(stream, aboutSequence);
    if (first) return decodeAbout(first.data);
    if (aboutNew === undefined) throw new LogUnavailable(`there is no event log in JetStream: the stream ${stream} is empty`);
    await api.publish(aboutSubject(space), encodeAbout(aboutNew()), expectingLast(0)).catch((error: unknown) => {
      if (lastSequenceIn(error) === undefined) throw error;
    });
  }
}

const refusals = {
  nameInUse: 10_058,
  noPeers: 10_005,
  notClustered: 10_074,
  unavailable: 10_008,
  notEnabled: 10_076,
  notForAccount: 10_039,
};

/** Servers that start together find each other, and a leader, after some seconds; and not every one knows of a new stream at once. */
function mayPass(error: unknown): boolean {
  if (error instanceof NatsRequestFailed) return error.why !== 'not-allowed';
  return error instanceof JetStreamRefused && [refusals.unavailable, refusals.noPeers, notFound.stream].includes(error.errorCode);
}

function checked(info: StreamInfo, { space, replicas, logger }: LogStreamOptions): StreamInfo {
  const stream = natsStreamOf(space);
  const { config, state } = info;
  const format = Number(config.metadata?.['starling_format']);
  if (format > formatVersion)
    throw new LogUnavailable(
      `the NATS stream ${stream} has format ${format}, this version of Starling reads ${formatVersion}: use a newer one`,
    );
  if (format !== formatVersion)
    throw new LogUnavailable(`the NATS stream ${stream} is not an event log of Starling: choose another name with STARLING_SPACE`);
  if (
    config.retention !== 'limits' ||
    [config.max_msgs, config.max_bytes, config.max_msgs_per_subject].some((max) => max > 0) ||
    config.max_age > 0
  )
    throw new LogUnavailable(`the NATS stream ${stream} was set to drop old messages, and the log would lose events: remove its limits`);
  // Also when nothing is left: what was there had numbers, and another log must not begin behind them.
  if (state.messages !== state.last_seq || (state.messages > 0 && state.first_seq !== 1))
    throw new LogCorrupt(
      `the NATS stream ${stream} has lost messages: it holds ${state.messages}, from ${state.first_seq} to ${state.last_seq}`,
    );
  if (!config.allow_direct)
    throw new LogUnavailable(
      `the NATS stream ${stream} does not let its messages be read one by one: allow it with "nats stream edit ${stream} --allow-direct"`,
    );
  // Never changed from here: nodes with different settings would take turns, and copying a large log to new servers is for the operator to time.
  if (config.num_replicas < replicas)
    throw new LogUnavailable(
      `the NATS stream ${stream} has ${config.num_replicas} replicas, and STARLING_LOG_REPLICAS asks for ${replicas}: ` +
        `raise it with "nats stream edit ${stream} --replicas ${replicas}" and start the nodes again, or ask for fewer`,
    );
  if (config.num_replicas > replicas)
    logger.debug({ stream, replicas: config.num_replicas, asked: replicas }, 'the event log has more replicas than asked for');
  return info;
}

function refusal(cause: unknown, { space, replicas }: LogStreamOptions): LogUnavailable {
  return new LogUnavailable(wordsFor(cause, space, replicas), { cause });
}

function wordsFor(cause: unknown, space: string, replicas: number): string {
  if (cause instanceof NatsRequestFailed) {
    if (cause.why === 'not-allowed')
      return (
        `${cause.message}: the user needs to publish to $JS.API.> and starling.${space}.>, ` +
        'and to subscribe to _INBOX.>, for an event log'
      );
    if (cause.why === 'no-responders')
      return 'this NATS has no JetStream: start nats-server with "-js", or with a jetstream block in its configuration';
    return `JetStream does not answer (${cause.message}): do most of its servers run?`;
  }
  const code = cause instanceof JetStreamRefused ? cause.errorCode : 0;
  if (code === refusals.noPeers || code === refusals.notClustered)
    return (
      `this NATS has too few servers with JetStream for ${replicas} replicas: start more, or ask for fewer with STARLING_LOG_REPLICAS ` +
      '(one that started for the first time together with the others may have been left out: restart it)'
    );
  if (code === refusals.notEnabled || code === refusals.notForAccount)
    return 'JetStream is not enabled for this user’s account: enable it in the configuration of nats-server';
  return `JetStream refuses the event log of the space ${space}: ${cause instanceof Error ? cause.message : String(cause)}`;
}

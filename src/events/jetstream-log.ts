import assert from 'node:assert/strict';
import { LRUCache } from 'lru-cache';
import type { NatsConnection } from 'nats';
import type { Clock } from '../clock.ts';
import { limits } from '../limits.ts';
import type { Logger } from '../logger.ts';
import type { Metrics } from '../metrics.ts';
import { openNatsConnection } from '../nats/nats-connection.ts';
import type { NatsOptions } from '../nats/nats-connection.ts';
import { createNatsRequests } from '../nats/nats-requests.ts';
import { createUnderWay } from '../under-way.ts';
import { recordedCommitOf } from './codec.ts';
import { LogCorrupt, LogUnavailable, WrongExpectedVersion, assertOfLog } from './event-log.ts';
import type { EventLog, RecordedCommit, StreamHead } from './event-log.ts';
import { newLogId, newNamespace } from './ids.ts';
import type { StreamName } from './ids.ts';
import { asked, createJetStreamApi, unavailable } from './jetstream-api.ts';
import type { JetStreamApi, StoredMessage } from './jetstream-api.ts';
import { appendFailure, expectingLast, lastSequenceIn, neverLast } from './jetstream-append.ts';
import { deliver } from './jetstream-delivery.ts';
import { createLeadership } from './jetstream-leadership.ts';
import { commitOf, decodeMessage, encodeMessage, natsStreamOf, sequenceOf, subjectOf } from './jetstream-message.ts';
import type { About } from './jetstream-message.ts';
import { createStreamReader } from './jetstream-reader.ts';
import { openLogStream } from './jetstream-stream.ts';
import type { LogStream } from './jetstream-stream.ts';
import { assertServerFits, watchElections, watchServers } from './jetstream-servers.ts';
import { refuseUnfinishedCopy } from './log-import.ts';
import { lastPositionOf } from './position.ts';
import { assertSize, assertWellFormed, headAfter } from './stream-chain.ts';

export interface JetStreamLogOptions extends NatsOptions {
  /** Keeps logs apart on one NATS: 1 to 64 of A-Z a-z 0-9 _ -. */
  readonly space: string;
  /** Copies, each on a server of its own; more than one need Raft, and are lost only together with most of their servers. */
  readonly replicas: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics?: Pick<Metrics, 'commitsRead'>;
  /** How long opening waits for servers that are only just starting. */
  readonly patienceMs?: number;
  /** Make none where there is none. */
  readonly existing?: boolean;
}

/**
 * The log in a stream of JetStream; how, is told in jetstream-message.ts. An append resolves when a majority of the replicas has it in memory (the server's
 * `sync_interval` says when disks have it).
 * @throws {NatsUnreachable} @throws {LogUnavailable} with the cure when it cannot be opened. @throws {LogCorrupt}
 */
export async function openJetStreamLog(options: JetStreamLogOptions): Promise<EventLog> {
  const { random, space, existing = false } = options;
  const aboutNew = () => ({ id: newLogId(random), namespace: newNamespace(random) });
  const { log, about } = await openJetStream(options, existing ? undefined : aboutNew);
  if (about.copyUnfinished) await log.close();
  refuseUnfinishedCopy(about, `the space "${space}" in JetStream`);
  return log;
}

/** Also of a copy that is not complete. `aboutNew`: what a new log says about itself; without it none is made. */
export async function openJetStream(options: JetStreamLogOptions, aboutNew: (() => About) | undefined): Promise<OpenedStream> {
  const connection = await openNatsConnection(options);
  try {
    return await openOn(connection, options, aboutNew);
  } catch (error) {
    await connection.close();
    throw error;
  }
}

type OpenedStream = { readonly log: EventLog; readonly about: LogStream; readonly api: JetStreamApi };

async function openOn(
  connection: NatsConnection,
  options: JetStreamLogOptions,
  aboutNew: (() => About) | undefined,
): Promise<OpenedStream> {
  const { space, clock, random, logger, metrics } = options;
  assert(/^[A-Za-z0-9_-]{1,64}$/.test(space), 'the name of a space is 1 to 64 of A-Z a-z 0-9 _ -');
  assertServerFits(connection.info, options.replicas);
  const stream = natsStreamOf(space);
  const requests = createNatsRequests(connection, { clock, timeoutMs: limits.jetStreamTimeoutMs, askAgainMs: limits.jetStreamAskAgainMs });
  const api = createJetStreamApi(requests);
  const opened = await openLogStream({ ...options, api, aboutNew, patienceMs: options.patienceMs ?? limits.jetStreamPatienceMs });
  const { id, namespace, replicas } = opened;
  assertServerFits(connection.info, replicas);
  const leadership = createLeadership({ info: () => api.streamInfo(stream), replicas, clock, logger });
  const closing = new AbortController();
  const running = createUnderWay();
  const deliveries = { connection, requests, api, stream, clock, random, logger };
  const looking = { space, lastCommit, decoded, stored, closing: closing.signal };
  const read = createStreamReader({ ...deliveries, ...looking, ...(metrics && { metrics }) });
  /** Heads by the number of their commit: the server fences by that alone, the rest of what an append expects is checked here. */
  const known = new LRUCache<number, StreamHead & { readonly stream: StreamName }>({ max: limits.jetStreamVersionsKnownMax });
  const servers = watchServers(connection, { log: leadership, logger });
  watchElections(connection, { stream, requests, logger });
  logger.info({ logId: id, stream, replicas }, 'event log open');

  function assertOpen(): void {
    if (closing.signal.aborted) throw new LogUnavailable('the log is closed');
    servers.assertFit();
  }

  function decoded(message: StoredMessage): RecordedCommit {
    const recorded = decodeMessage(message);
    remember(recorded.stream, headAfter(id, recorded));
    return recorded;
  }

  function remember(of: StreamName, { version, position }: StreamHead): void {
    known.set(position.commit, { stream: of, version, position });
  }

  async function isCommit(of: StreamName, { version, position }: StreamHead): Promise<boolean> {
    if (!known.has(position.commit)) {
      const message = await asked(api.messageAt(stream, sequenceOf(position.commit)));
      if (message) decoded(message);
    }
    const found = known.get(position.commit);
    return found !== undefined && found.stream === of && found.version === version && found.position.index === position.index;
  }

  async function append(...[to, expected, commit]: Parameters<EventLog['append']>): Promise<StreamHead> {
    assertOpen();
    assertWellFormed(to, commit);
    assert(/^[\w-]+$/.test(to), `${to} is no name of a stream`);
    const before = expected === 'no-stream' ? undefined : expected;
    if (before && (before.position.logId !== id || !(await isCommit(to, before)))) throw new WrongExpectedVersion(to);
    const unnumbered = recordedCommitOf(0, to, before, commit);
    const body = encodeMessage(unnumbered);
    assertSize(to, body.length);
    const last = before ? sequenceOf(before.position.commit) : 0;
    try {
      const sequence = await api.publish(subjectOf(space, to), body, expectingLast(last));
      const end = headAfter(id, { ...unnumbered, commit: commitOf(sequence) });
      remember(to, end);
      return end;
    } catch (error) {
      throw appendFailure(error, to, last, leadership.replicas);
    }
  }

  /** Where the stream ends, as the server knows that would fence an append to it: it is asked with an append that it must refuse. 0: no stream. */
  async function lastCommit(of: StreamName): Promise<number> {
    assertOpen();
    const giveUpAt = clock.monotonicMs() + limits.jetStreamHeadTimeoutMs;
    for (;;) {
      const refusal = await api.refusalOf(subjectOf(space, of), expectingLast(neverLast));
      const last = lastSequenceIn(refusal);
      if (typeof last === 'number') return last === 0 ? 0 : commitOf(last);
      if (last !== 'busy' || clock.monotonicMs() > giveUpAt) throw unavailable(refusal);
      await clock.sleep(limits.jetStreamBusyMs);
    }
  }

  async function head(of: StreamName, { mayBeBehind = false } = {}): Promise<StreamHead | 'no-stream'> {
    for (;;) {
      const validUntil = mayBeBehind ? Infinity : await asked(leadership.confirm());
      const last = await lastCommit(of);
      if (clock.monotonicMs() > validUntil) continue;
      if (last === 0) return 'no-stream';
      if (!known.has(last)) decoded(await stored(last));
      const { version, position } = known.get(last) as StreamHead;
      return { version, position };
    }
  }

  async function stored(commit: number): Promise<StoredMessage> {
    const message = await asked(api.messageAt(stream, sequenceOf(commit)));
    if (message === undefined) throw new LogCorrupt(`commit ${commit} is missing from the log`);
    return message;
  }

  async function tail() {
    assertOpen();
    const message = await asked(api.lastMessage(stream, subjectOf(space, '*')));
    if (message === undefined) return undefined;
    try {
      const last = decoded(message);
      return { position: lastPositionOf(id, last), time: last.time };
    } catch (cause) {
      if (!(cause instanceof LogCorrupt)) throw cause;
      return { position: { logId: id, commit: commitOf(message.sequence), index: 0 }, time: message.storedAt ?? clock.now() };
    }
  }

  /** Only a leader that surely leads may say that the log is shorter than somebody saw it. */
  async function assertReached(commit: number): Promise<void> {
    if ((await asked(api.messageAt(stream, sequenceOf(commit)))) !== undefined) return;
    await asked(leadership.confirm());
    const last = (await tail())?.position.commit ?? 0;
    if (commit > last)
      throw new LogCorrupt(
        `the position, in commit ${commit}, lies past the end of the log, which is commit ${last}: the log has lost some`,
      );
  }

  async function* subscribe(...[after, signal]: Parameters<EventLog['subscribe']>): AsyncGenerator<readonly RecordedCommit[]> {
    if (signal.aborted || closing.signal.aborted) return;
    if (after !== 'start') {
      assertOfLog(id, after);
      await assertReached(after.commit);
    }
    const from = sequenceOf(after === 'start' ? 1 : after.commit + 1);
    for await (const messages of deliver(deliveries, { from, signal: AbortSignal.any([signal, closing.signal]), patienceMs: Infinity })) {
      const batch: RecordedCommit[] = [];
      let damage: unknown;
      try {
        for (const message of messages) batch.push(decodeMessage(message));
      } catch (error) {
        damage = error;
      }
      metrics?.commitsRead.inc(batch.length);
      if (batch.length > 0) yield batch;
      if (damage) throw damage;
    }
  }

  async function close(): Promise<void> {
    closing.abort();
    await running.ended();
    requests.close();
    await connection.close();
  }

  let closed: Promise<void> | undefined;
  const log: EventLog = {
    id,
    namespace,
    dense: true,
    append: (...what) => running.add(append(...what)),
    read,
    async commitAt(position) {
      assertOfLog(id, position);
      assertOpen();
      const message = await asked(api.messageAt(stream, sequenceOf(position.commit)));
      return message && decoded(message);
    },
    head,
    tail,
    subscribe,
    close: () => (closed ??= close()),
  };
  return { log, about: opened, api };
}

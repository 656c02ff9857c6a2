import type { Readable } from 'node:stream';
import {
  BACKWARDS,
  END,
  EventStoreDBClient,
  FORWARDS,
  jsonEvent,
  NO_STREAM,
  START,
  streamNameFilter,
  StreamNotFoundError,
} from '@eventstore/db-client';
import type { AllStreamResolvedEvent, ResolvedEvent } from '@eventstore/db-client';
import type { Clock } from '../clock.ts';
import { limits } from '../limits.ts';
import { chunksOf, within } from './esdb-chunks.ts';
import { appendFailure, readFailure } from './esdb-failures.ts';
import { AppendOutcomeUnknown, LogUnavailable } from './event-log.ts';
import type { StreamName } from './ids.ts';

/** An event as EventStoreDB hands it out. */
export interface EsdbEvent {
  readonly stream: string;
  /** Index in its stream, from 0, without gaps. */
  readonly revision: number;
  /** Byte offset in the log of the server: rising, not dense. */
  readonly position: number;
  readonly data: unknown;
  readonly metadata: unknown;
}

export interface NewEsdbEvent {
  readonly id: string;
  readonly type: string;
  readonly data: object;
  readonly metadata: Readonly<Record<string, unknown>>;
}

type Direction = { readonly backwards?: boolean; readonly count?: number };

export interface EsdbClient {
  /** All events or none. Position: of the last one. @throws {WrongExpectedVersion} @throws {AppendOutcomeUnknown} @throws {LogUnavailable} */
  append(stream: string, after: number | 'no-stream', events: readonly NewEsdbEvent[]): Promise<{ revision: number; position: number }>;
  /** From the revision on, it included, or from the end backwards. A stream that does not exist is an empty one. @throws {LogUnavailable} */
  readStream(stream: string, options: Direction & { readonly from?: number }): AsyncGenerator<EsdbEvent[]>;
  /** Everything, of others too, from the position on, it included, or from the end backwards. @throws {LogUnavailable} */
  readAll(options: Direction & { readonly from?: number }): AsyncGenerator<EsdbEvent[]>;
  /** What stands after the position in streams of that prefix, then live. Ends without an error when the server ends it. `onSilence` may throw to give up. */
  follow(after: number | undefined, prefix: string, signal: AbortSignal, onSilence: () => Promise<void>): AsyncGenerator<EsdbEvent[]>;
  close(): Promise<void>;
}

/** What the vendor's client keeps to itself. A test of each use notices when a new version changes it. */
interface Internals {
  supports: () => Promise<boolean>;
  getChannel(): Promise<{ close(): void }>;
}

/** The client's own types of streams are no Node streams to the compiler. */
type Reading = Readable & { cancel(): Promise<void> };

// Commands and reads go to the leader: a follower answers from what has reached it, which may be less than what was acknowledged.
const toLeader = { requiresLeader: true };

/** With esdb-failures.ts the only place that knows the package of the vendor. @throws {LogUnavailable} for a URL that is none. */
export function openEsdbClient(url: string, clock: Clock): EsdbClient {
  const client = connect(url);
  const internals = client as unknown as Internals;
  // The client would send appends through one BatchAppend call where the server offers it. That has no deadline, is rejected when the connection of any
  // other client of the process breaks, and ends the process with a TypeError when an answer comes after that. One call for each append has none of this.
  internals.supports = async () => false;

  async function* read(source: Reading): AsyncGenerator<EsdbEvent[]> {
    const silence = () => Promise.reject(new LogUnavailable(`EventStoreDB did not answer within ${limits.esdbAnswerTimeoutMs} ms`));
    try {
      yield* eventsOf(source, undefined, limits.esdbAnswerTimeoutMs, silence);
    } catch (error) {
      if (!(error instanceof StreamNotFoundError)) throw readFailure(error);
    } finally {
      // Leaving the loop does not end the call on the server.
      void source.cancel().catch(() => {});
    }
  }

  async function* eventsOf(source: Readable, signal: AbortSignal | undefined, silenceMs: number, onSilence: () => Promise<void>) {
    for await (const chunk of chunksOf<ResolvedEvent | AllStreamResolvedEvent>(source, { clock, signal, silenceMs, onSilence })) {
      yield chunk.flatMap(({ event }) => (event === undefined ? [] : [eventOf(event)]));
    }
  }

  return {
    async append(stream, after, events) {
      const sent = client.appendToStream(stream, events.map(jsonEvent as (event: NewEsdbEvent) => ReturnType<typeof jsonEvent>), {
        expectedRevision: after === 'no-stream' ? NO_STREAM : BigInt(after),
        deadline: limits.esdbAnswerTimeoutMs,
        ...toLeader,
      });
      try {
        const result = await within(clock, limits.esdbAnswerTimeoutMs, sent);
        if (result === undefined) throw new AppendOutcomeUnknown(`EventStoreDB did not answer within ${limits.esdbAnswerTimeoutMs} ms`);
        if (result.position === undefined) throw new AppendOutcomeUnknown('EventStoreDB did not say where it wrote');
        return { revision: Number(result.nextExpectedRevision), position: safePosition(result.position.commit) };
      } catch (error) {
        throw appendFailure(error, stream as StreamName);
      }
    },
    readStream: (stream, { from, backwards = false, count }) =>
      read(
        client.readStream(
          stream,
          {
            direction: backwards ? BACKWARDS : FORWARDS,
            fromRevision: from !== undefined ? BigInt(from) : backwards ? END : START,
            ...(count !== undefined && { maxCount: count }),
            ...toLeader,
          },
          buffered,
        ) as unknown as Reading,
      ),
    readAll: ({ from, backwards = false, count }) =>
      read(
        client.readAll(
          {
            direction: backwards ? BACKWARDS : FORWARDS,
            fromPosition: from !== undefined ? positionAt(from) : backwards ? END : START,
            ...(count !== undefined && { maxCount: count }),
            ...toLeader,
          },
          buffered,
        ) as unknown as Reading,
      ),
    async *follow(after, prefix, signal, onSilence) {
      let signs = 0;
      // While the server searches through what others wrote, checkpoints are the only sign of life. They are no place to resume from: one arrives before
      // the events ahead of it have left the buffer.
      const filter = streamNameFilter({
        prefixes: [prefix],
        checkpointInterval: limits.esdbCheckpointPages,
        checkpointReached: () => void (signs += 1),
      });
      const fromPosition = after === undefined ? START : positionAt(after);
      const subscription = client.subscribeToAll({ fromPosition, filter, ...toLeader }, buffered);
      let signsBefore = 0;
      const silent = async () => {
        if (signs === signsBefore) await onSilence();
        signsBefore = signs;
      };
      try {
        yield* eventsOf(subscription as unknown as Readable, signal, limits.esdbSilenceMs, silent);
      } catch (error) {
        throw readFailure(error);
      } finally {
        // Leaving the loop leaves the subscription open on the server.
        void subscription.unsubscribe().catch(() => {});
      }
    },
    async close() {
      await client.dispose();
      // Its own `dispose` ends the calls and keeps the connection. Not waited for: it may be in search of a leader, which takes as long as it takes.
      void internals.getChannel().then(
        (channel) => channel.close(),
        () => {},
      );
    },
  };
}

// The client reads into a transform: what waits before it is not ready for anyone.
const buffered = { objectMode: true, readableHighWaterMark: limits.esdbEventsBufferedMax, writableHighWaterMark: 16 };

function connect(url: string): EventStoreDBClient {
  // With it, a refused append would look like a success.
  if (/throwonappendfailure/i.test(url.replaceAll(/[_-]/g, ''))) {
    throw new LogUnavailable('the URL of EventStoreDB sets throwOnAppendFailure: leave it out');
  }
  try {
    return EventStoreDBClient.connectionString(url);
  } catch {
    // The client's own message quotes the URL, which may hold a password.
    throw new LogUnavailable(
      'the URL of EventStoreDB is none: write esdb://user:password@host:2113, with ?tls=false for a server without TLS',
    );
  }
}

function eventOf(event: NonNullable<(ResolvedEvent | AllStreamResolvedEvent)['event']>): EsdbEvent {
  const { streamId, revision, position, data, metadata } = event;
  return { stream: streamId, revision: Number(revision), position: safePosition(position?.commit ?? notTold), data, metadata };
}

function positionAt(position: number): { commit: bigint; prepare: bigint } {
  return { commit: BigInt(position), prepare: BigInt(position) };
}

/** What servers before 22.6 write instead of a position when a stream is read. */
const notTold = 2n ** 64n - 1n;

function safePosition(position: bigint): number {
  if (position === notTold)
    throw new LogUnavailable('this EventStoreDB does not tell the positions of a stream: use version 22.6 or later');
  // A byte offset: nine petabytes.
  if (position > BigInt(Number.MAX_SAFE_INTEGER)) throw new LogUnavailable(`position ${position} of EventStoreDB is too large`);
  return Number(position);
}

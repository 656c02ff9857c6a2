import type { Random } from '../random.ts';
import type { EsdbClient } from './esdb-client.ts';
import { AppendOutcomeUnknown, LogUnavailable, WrongExpectedVersion } from './event-log.ts';
import { newEventId, newLogId, newNamespace } from './ids.ts';
import type { LogId } from './ids.ts';
import { parseAbout } from './stored-format.ts';

/** Raised when older versions of Starling could not read what this one writes. */
const formatVersion = 1;
const tries = 3;

export interface LogIdentity {
  readonly id: LogId;
  readonly namespace: string;
}

/**
 * The identity of the log: the one event of its own stream. Whoever opens the log first makes it, under the expectation that there is none, so of two
 * who race one is refused and reads what the other wrote.
 * @throws {LogUnavailable} @throws {LogCorrupt}
 */
export async function openIdentity(client: EsdbClient, stream: string, random: Random): Promise<LogIdentity> {
  for (let attempt = 0; attempt < tries; attempt += 1) {
    for await (const [event] of client.readStream(stream, { count: 1 })) {
      if (event) return parseAbout(event.data, `the stream ${stream} of EventStoreDB`);
    }
    const about = { format: formatVersion, id: newLogId(random), namespace: newNamespace(random) };
    try {
      await client.append(stream, 'no-stream', [{ id: newEventId(random), type: 'LogBegun', data: about, metadata: {} }]);
    } catch (error) {
      // It may stand there by now, whoever wrote it: what counts is what the next look finds.
      if (!(error instanceof WrongExpectedVersion || error instanceof AppendOutcomeUnknown)) throw error;
    }
  }
  throw new LogUnavailable(`the stream ${stream} could not be made in EventStoreDB: its answers were lost ${tries} times`);
}

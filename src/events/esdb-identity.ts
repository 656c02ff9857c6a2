import type { Random } from '../random.ts';
import type { EsdbClient } from './esdb-client.ts';
import { AppendOutcomeUnknown, LogUnavailable, WrongExpectedVersion } from './event-log.ts';
import { newEventId } from './ids.ts';
import { parseAbout, storedAbout } from './stored-format.ts';
import type { LogAbout } from './stored-format.ts';

const tries = 3;

/** What a log says about itself: the last event of a stream of its own. */
export interface Identity {
  readonly about: LogAbout;
  /** Says something else from now on; its id and name space stay. @throws {LogUnavailable} {AppendOutcomeUnknown} */
  describe(about: LogAbout): Promise<void>;
}

/**
 * Whoever opens the log first makes it, under the expectation that there is none, so of two who race one is refused and reads what the other wrote.
 * `aboutNew`: what a new one says; without it none is made.
 * @throws {LogUnavailable} @throws {LogCorrupt}
 */
export async function openIdentity(
  client: EsdbClient,
  stream: string,
  random: Random,
  aboutNew: (() => LogAbout) | undefined,
): Promise<Identity> {
  const write = (after: number | 'no-stream', about: LogAbout) =>
    client.append(stream, after, [
      { id: newEventId(random), type: after === 'no-stream' ? 'LogBegun' : 'LogDescribed', data: storedAbout(about), metadata: {} },
    ]);
  for (let attempt = 0; attempt < tries; attempt += 1) {
    for await (const [event] of client.readStream(stream, { backwards: true, count: 1 })) {
      if (event === undefined) break;
      let { revision } = event;
      return {
        about: parseAbout(event.data, `the stream ${stream} of EventStoreDB`),
        async describe(about) {
          ({ revision } = await write(revision, about));
        },
      };
    }
    if (aboutNew === undefined) throw new LogUnavailable(`there is no event log in EventStoreDB: it has no stream ${stream}`);
    try {
      await write('no-stream', aboutNew());
    } catch (error) {
      // It may stand there by now, whoever wrote it: what counts is what the next look finds.
      if (!(error instanceof WrongExpectedVersion || error instanceof AppendOutcomeUnknown)) throw error;
    }
  }
  throw new LogUnavailable(`the stream ${stream} could not be made in EventStoreDB: its answers were lost ${tries} times`);
}

import type { Clock } from '../clock.ts';
import type { EsdbClient, EsdbEvent } from './esdb-client.ts';
import { placeInCommit, timeOf } from './esdb-format.ts';
import { LogCorrupt, LogUnavailable } from './event-log.ts';
import type { LogId } from './ids.ts';
import { comparePositions } from './position.ts';
import type { Position } from './position.ts';

interface End {
  readonly position: Position;
  readonly time: number;
}

export interface Tail {
  /** An append of our own: the end is there or further. */
  saw(end: End): void;
  /** The end of our part of the log, as of a moment after this call began. @throws {LogUnavailable} */
  find(): Promise<End | undefined>;
}

/**
 * The server has one end for all who write to it, so ours is searched backwards from there; the client cannot filter that search. What was found once
 * is where the next search may stop: it passes over what others wrote in between, and never over the same twice.
 */
export function createTail({ client, clock }: { client: EsdbClient; clock: Clock }, logId: LogId, prefix: string): Tail {
  let known: End | undefined;
  /** All up to this position of the server is in `known`. */
  let searchedTo = -1;

  const saw = (end: End) => {
    if (known === undefined || comparePositions(end.position, known.position) > 0) known = end;
    searchedTo = Math.max(searchedTo, end.position.commit);
  };

  /** What is no event of ours, or of a later version, is an end all the same: whatever stopped there can be told how far it is behind. */
  const endAt = (event: EsdbEvent): End => {
    try {
      const { index, count } = placeInCommit(event);
      if (index !== count - 1) throw new LogUnavailable('the last commit is not complete yet');
      return { position: { logId, commit: event.position, index }, time: timeOf(event) };
    } catch (cause) {
      if (!(cause instanceof LogCorrupt)) throw cause;
      return { position: { logId, commit: event.position, index: 0 }, time: known?.time ?? clock.now() };
    }
  };

  return {
    saw,
    async find() {
      let newest: number | undefined;
      for await (const chunk of client.readAll({ backwards: true })) {
        newest ??= chunk[0]?.position;
        for (const event of chunk) {
          if (event.position <= searchedTo) {
            searchedTo = Math.max(searchedTo, newest ?? 0);
            return known;
          }
          if (!event.stream.startsWith(prefix)) continue;
          saw(endAt(event));
          searchedTo = Math.max(searchedTo, newest ?? 0);
          return known;
        }
      }
      searchedTo = Math.max(searchedTo, newest ?? 0);
      return known;
    },
  };
}

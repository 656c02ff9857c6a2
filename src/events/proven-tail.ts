import { LogCorrupt } from './event-log.ts';
import type { EventLog } from './event-log.ts';
import { runsStream } from './ids.ts';

type Ends = Pick<EventLog, 'head' | 'tail'>;

/**
 * The end of the log with all that was acknowledged before this call: `tail` alone may come from a server that was cut off and does not know it yet, and
 * `head` makes sure that whoever answers leads. For whoever concludes from it that there is no more. @throws {LogUnavailable}
 */
export async function provenTail(log: Ends): ReturnType<EventLog['tail']> {
  await log.head(runsStream).catch((cause: unknown) => {
    // Whether the last commit of that stream can be decoded does not matter here.
    if (!(cause instanceof LogCorrupt)) throw cause;
  });
  return log.tail();
}

/** Number of the last commit, proven where it lies before one that somebody has seen. @throws {LogUnavailable} */
export async function endReaching(log: Ends, seen: number): Promise<number> {
  const end = (await log.tail())?.position.commit ?? 0;
  return seen <= end ? end : ((await provenTail(log))?.position.commit ?? 0);
}

import type { Clock } from '../clock.ts';
import { limits } from '../limits.ts';
import type { Logger } from '../logger.ts';
import { lastOf } from './esdb-chunks.ts';
import type { EsdbClient } from './esdb-client.ts';
import { batchesOf, createCommitAssembler } from './esdb-format.ts';
import type { Tail } from './esdb-tail.ts';
import { LogCorrupt, LogUnavailable } from './event-log.ts';
import type { RecordedCommit } from './event-log.ts';

export interface FollowOptions {
  readonly client: EsdbClient;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly prefix: string;
  /** Number of the commit to go on after; undefined: from the start. */
  readonly after: number | undefined;
  readonly signal: AbortSignal;
  readonly tail: Tail;
}

/**
 * Every commit after the given one, for as long as the signal lets it. The client's subscription ends with its connection, so this one makes it anew,
 * after the last commit that was handed out: what was half there comes again whole. One that is silent is compared with the end of the log: the server
 * has nothing to say, or the subscription is dead.
 * @throws {LogCorrupt}
 */
export async function* followCommits(options: FollowOptions): AsyncGenerator<readonly RecordedCommit[]> {
  const { client, clock, logger, prefix, signal, tail } = options;
  let { after } = options;
  let backOffMs: number = limits.esdbBackOffMinMs;
  const mustLive = async () => {
    const end = await tail.find();
    if (end !== undefined && end.position.commit > (after ?? -1)) throw new LogUnavailable('the subscription stands still');
  };
  let begun = false;
  while (!signal.aborted) {
    const assembler = createCommitAssembler(prefix);
    try {
      if (!begun) await assertReached(client, after);
      begun = true;
      for await (const events of client.follow(after, prefix, signal, mustLive)) {
        backOffMs = limits.esdbBackOffMinMs;
        for (const batch of batchesOf(events, assembler)) {
          if (signal.aborted) return;
          after = batch.at(-1)?.commit ?? after;
          yield batch;
        }
      }
      if (signal.aborted) return;
      logger.warn({ after, pauseMs: backOffMs }, 'EventStoreDB ended a subscription: it is made anew');
    } catch (error) {
      if (error instanceof LogCorrupt) throw error;
      if (signal.aborted) return;
      logger.warn(
        { after, pauseMs: backOffMs, error: (error as Error).message },
        'a subscription to EventStoreDB was lost: it is made anew',
      );
    }
    await clock.sleep(backOffMs, signal);
    backOffMs = Math.min(2 * backOffMs, limits.esdbBackOffMaxMs);
  }
}

/** The server would wait at a place that it has not reached, for ever. @throws {LogCorrupt} */
async function assertReached(client: EsdbClient, after: number | undefined): Promise<void> {
  if (after === undefined) return;
  const last = await lastOf(client.readAll({ backwards: true, count: 1 }));
  if (after > (last?.position ?? 0))
    throw new LogCorrupt(`the position, in commit ${after}, lies past the end of the log: it has lost some`);
}

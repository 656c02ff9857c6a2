import { LogCorrupt } from '../../events/event-log.ts';
import type { EventLog, RecordedCommit } from '../../events/event-log.ts';
import { lastPositionOf } from '../../events/position.ts';
import type { Position } from '../../events/position.ts';
import { limits } from '../../limits.ts';
import { readCommits } from '../copy/read-commits.ts';
import type { JobContext } from '../control-server.ts';

/** Reads a log from its start, stop by stop, and steps over what it cannot decode: verify counts where everybody else stops. */
export interface LogWalk {
  /** Visits the commits that were not visited yet, up to and with this number. */
  to(commit: number): Promise<void>;
}

export interface Visitor {
  visit(commit: RecordedCommit): void;
  /** `commit`: number of the one that cannot be read, undefined when nothing after the last one can. */
  undecodable(commit: number | undefined, why: string): void;
}

export function createLogWalk(log: EventLog, visitor: Visitor, { signal, report }: JobContext): LogWalk {
  let after: Position | 'start' = 'start';
  let stopped = false;

  const visit = (commit: RecordedCommit) => {
    visitor.visit(commit);
    after = lastPositionOf(log.id, commit);
  };
  const reached = () => (after === 'start' ? 0 : after.commit);

  /** The subscription has stopped somewhere ahead: visits what comes before that commit, one by one, and steps over it. */
  async function stepOver(cause: LogCorrupt, last: number): Promise<void> {
    const end = Math.min(last, reached() + limits.commitsPerBatchMax);
    for (let number = reached() + 1; number <= end; number += 1) {
      try {
        const commit = await log.commitAt({ logId: log.id, commit: number, index: 0 });
        if (commit === undefined) break;
        visit(commit);
      } catch (error) {
        if (!(error instanceof LogCorrupt)) throw error;
        visitor.undecodable(number, error.message);
        after = { logId: log.id, commit: number, index: 0 };
        return;
      }
    }
    stopped = true;
    visitor.undecodable(undefined, `${cause.message}: what comes after commit ${reached()} was not read`);
  }

  return {
    async to(last) {
      while (!stopped && reached() < last) {
        try {
          for await (const batch of readCommits(log, after, last, signal)) {
            for (const commit of batch) visit(commit);
            report({ phase: 'log', done: reached(), total: last, unit: 'commits' });
          }
          return;
        } catch (error) {
          if (!(error instanceof LogCorrupt)) throw error;
          await stepOver(error, last);
        }
      }
    },
  };
}

import { limits } from '../limits.ts';
import type { Metrics } from '../metrics.ts';
import { LogUnavailable } from './event-log.ts';
import type { EventLog, RecordedCommit } from './event-log.ts';
import type { StreamName } from './ids.ts';
import { asked } from './jetstream-api.ts';
import type { StoredMessage } from './jetstream-api.ts';
import { deliver } from './jetstream-delivery.ts';
import type { Deliveries } from './jetstream-consumer.ts';
import { sequenceOf, subjectOf } from './jetstream-message.ts';
import { createChainCheck } from './stream-chain.ts';

export interface StreamReaderPorts extends Deliveries {
  readonly space: string;
  /** Number of the stream's last commit, 0 for none. */
  readonly lastCommit: (of: StreamName) => Promise<number>;
  readonly stored: (commit: number) => Promise<StoredMessage>;
  readonly decoded: (message: StoredMessage) => RecordedCommit;
  readonly closing: AbortSignal;
  readonly metrics?: Pick<Metrics, 'commitsRead'>;
}

/**
 * The port's `read`. The end of the stream is walked back from commit to commit, which is all there is to most streams: servers have to
 * agree on each consumer that is made or goes, and one for every actor that moved to a new node kept them all busy for ten seconds. What lies before the
 * end of a long stream comes from a consumer.
 */
export function createStreamReader(ports: StreamReaderPorts): EventLog['read'] {
  const { api, stream, space, decoded, closing, metrics } = ports;

  return async function* read(of, fromVersion = 0) {
    const last = await ports.lastCommit(of);
    const end = last === 0 ? [] : await walkBack(last, fromVersion);
    const first = end[0];
    if (first === undefined) return;
    const check = createChainCheck(of, fromVersion === 0);
    const checked = (commits: readonly RecordedCommit[]) => {
      for (const commit of commits) check(commit);
      metrics?.commitsRead.inc(commits.length);
      return commits;
    };
    if (first.firstVersion > fromVersion && first.predecessor !== null) {
      for await (const commits of between(of, fromVersion, first.commit)) yield checked(commits);
    }
    yield checked(end);
  };

  /** The last commits up to `last`, in order; none below the one that holds the version. */
  async function walkBack(last: number, fromVersion: number): Promise<readonly RecordedCommit[]> {
    const found: RecordedCommit[] = [];
    let at: number | null = last;
    while (at !== null && found.length < limits.jetStreamSingleReadsMax) {
      const commit: RecordedCommit = decoded(await ports.stored(at));
      if (commit.firstVersion + commit.events.length <= fromVersion) break;
      found.push(commit);
      at = commit.firstVersion <= fromVersion ? null : commit.predecessor;
    }
    return found.toReversed();
  }

  /** The commits from the one that holds the version to the one before number `end`. */
  async function* between(of: StreamName, fromVersion: number, end: number): AsyncGenerator<readonly RecordedCommit[]> {
    const from = sequenceOf(fromVersion === 0 ? 1 : await numberOf(of, fromVersion, end));
    const subject = subjectOf(space, of);
    for await (const messages of deliver(ports, { from, subject, signal: closing, patienceMs: limits.jetStreamTimeoutMs })) {
      const commits = messages.filter(({ sequence }) => sequence < sequenceOf(end)).map(decoded);
      if (commits.length > 0) yield commits;
      if (commits.length < messages.length) return;
    }
    throw new LogUnavailable('the log is closed');
  }

  /** Number of the commit that holds the version: by halves, since numbers rise with versions. `end`: a commit of a higher version. */
  async function numberOf(of: StreamName, version: number, end: number): Promise<number> {
    let [low, high] = [1, end];
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      const message = await asked(api.nextMessage(stream, subjectOf(space, of), sequenceOf(middle)));
      const commit = message && decoded(message);
      if (commit === undefined || commit.firstVersion > version) high = middle;
      else low = commit.commit;
    }
    return low;
  }
}

import { LogCorrupt } from '../events/event-log.ts';
import type { RecordedCommit } from '../events/event-log.ts';
import type { StreamName } from '../events/ids.ts';
import { limits } from '../limits.ts';

/**
 * Checks that no commit is missing from a subscription: each names its predecessor in its stream, which must be the last one seen there, or lie
 * before the subscription began. Remembers so many streams; one that was forgotten is taken up again unchecked.
 * The check throws LogCorrupt, naming the commit; what came before it is sound.
 */
export function createPredecessorCheck(startedAfter: number): (commit: RecordedCommit) => void {
  const last = new Map<StreamName, number>();
  let forgotten = startedAfter;
  return ({ stream, commit, predecessor }) => {
    const known = last.get(stream);
    const broken = known === undefined ? predecessor !== null && predecessor > forgotten : predecessor !== known;
    if (broken) {
      throw new LogCorrupt(
        `commit ${commit} of ${stream} follows ${predecessor ?? 'none'}, but the last one seen there is ${known ?? 'none'}: a commit is missing`,
      );
    }
    last.set(stream, commit);
    if (last.size > limits.chainCheckStreamsMax) {
      const [oldest] = last;
      last.delete(oldest![0]);
      forgotten = Math.max(forgotten, oldest![1]);
    }
  };
}

import type { EventLog } from '../events/event-log.ts';
import type { Position } from '../events/position.ts';
import type { Database } from './database.ts';
import type { ProjectionName } from './read-model.ts';
import { readProjectionStatuses } from './statuses.ts';

export interface RunnerStatus {
  readonly name: ProjectionName;
  /** Every event up to it is applied; null before the first. */
  readonly position: Position | null;
  /** What the log has more than that; counted in events where commits are not numbered one after another. */
  readonly lagCommits: number;
  /** Over the last seconds. */
  readonly eventsPerSecond: number;
  /** Why it stands still although it should not: what could not be applied. */
  readonly stoppedBy: string | null;
  /** A replay builds it anew beside. */
  readonly rebuilding: boolean;
  /** Another node applies it, and what stands here is what that one tells. */
  readonly standingBy: boolean;
}

/** What the holder tells; nothing while the database is away. */
export async function statusOfOthers(database: Database, log: EventLog, name: ProjectionName): Promise<RunnerStatus> {
  const statuses = await readProjectionStatuses(database, log).catch(() => []);
  const found = statuses.find((status) => status.name === name);
  if (found === undefined)
    return { name, position: null, lagCommits: 0, eventsPerSecond: 0, stoppedBy: null, rebuilding: false, standingBy: true };
  const { position, lagEvents, eventsPerSecond, stoppedBy, rebuilding } = found;
  return { name, position, lagCommits: lagEvents, eventsPerSecond, stoppedBy, rebuilding, standingBy: true };
}

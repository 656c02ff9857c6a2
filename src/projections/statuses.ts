import { replayLock } from './checkpoints.ts';
import { LogCorrupt } from '../events/event-log.ts';
import type { EventLog } from '../events/event-log.ts';
import { comparePositions } from '../events/position.ts';
import type { Position } from '../events/position.ts';
import { limits } from '../limits.ts';
import type { Database } from './database.ts';
import { positionOrNull } from './places.ts';
import type { ProjectionName } from './read-model.ts';
import { projectionNames } from './read-model.ts';

/** How far a projection is, as its holder and its checkpoint tell everybody. */
export interface ProjectionStatus {
  readonly name: ProjectionName;
  /** Every event up to it is applied; null before the first. */
  readonly position: Position | null;
  /** Events in the log that are not applied; where commits are not numbered one after another they are counted, up to `limits.lagCountedMax`. */
  readonly lagEvents: number;
  /** Over the last seconds. */
  readonly eventsPerSecond: number;
  /** A replay builds it anew beside. */
  readonly rebuilding: boolean;
  /** The event that could not be applied; null while all is well. */
  readonly stoppedBy: string | null;
  /** The node that applies it; null when none does. */
  readonly heldBy: string | null;
}

interface StatusRow {
  readonly name: ProjectionName;
  readonly place: string | null;
  readonly node_id: string | null;
  readonly held: boolean;
  readonly events_per_second: number;
  readonly rebuilding: boolean;
  readonly stopped_by: string | null;
}

/** Of all projections, in the order of `projectionNames`. @throws {DatabaseUnavailable} @throws {LogUnavailable} */
export async function readProjectionStatuses(database: Database, log: EventLog): Promise<ProjectionStatus[]> {
  const rows = await readRows(database);
  const tail = (await log.tail())?.position;
  return Promise.all(
    rows.map(async (row) => {
      const position = positionOrNull(log.id, row.place);
      return {
        name: row.name,
        position,
        lagEvents: await lagOf(log, position, tail),
        eventsPerSecond: row.held ? row.events_per_second : 0,
        rebuilding: row.rebuilding,
        stoppedBy: row.held ? row.stopped_by : null,
        heldBy: row.held ? row.node_id : null,
      };
    }),
  );
}

async function readRows(database: Database): Promise<StatusRow[]> {
  try {
    return await database.query<StatusRow>({
      text: `select name, place, node_id, coalesce(expires_at >= clock_timestamp(), false) as held, coalesce(events_per_second, 0) as events_per_second,
               ${rebuildingSql('name')} as rebuilding, stopped_by
             from unnest($1::text[]) with ordinality as names (name, number)
               left join starling.checkpoints on checkpoints.projection = name left join starling.leases on leases.projection = name
             order by number`,
      values: [projectionNames],
    });
  } catch (cause) {
    if ((cause as { readonly code?: string }).code !== undefinedTable) throw cause;
    const none = { place: null, node_id: null, held: false, events_per_second: 0, rebuilding: false, stopped_by: null };
    return projectionNames.map((name) => ({ name, ...none }));
  }
}

/** SQLSTATE: no node has ever run on this database. */
const undefinedTable = '42P01';

/** Whether a replay builds it anew just now, in whichever process; one that was killed has left its shadow, but not its lock. */
export async function isRebuilding(database: Database, projection: ProjectionName): Promise<boolean> {
  const [found] = await database.query<{ rebuilding: boolean }>({
    text: `select ${rebuildingSql('$1')} as rebuilding`,
    values: [projection],
  });
  return found!.rebuilding;
}

const rebuildingSql = (name: string): string =>
  `(exists (select from starling.checkpoints where projection = ${name} || '_shadow') and exists (
      select from pg_locks where locktype = 'advisory' and objsubid = 1 and classid::bigint << 32 | objid::bigint = ${replayLock}
        and database = (select oid from pg_database where datname = current_database())))`;

/** Nearly every commit holds one event, so that the distance of two that are numbered one after another is as good as a count. */
export async function lagOf(log: EventLog, position: Position | null, tail: Position | undefined): Promise<number> {
  if (tail === undefined || (position !== null && comparePositions(position, tail) >= 0)) return 0;
  if (log.dense) return tail.commit - (position?.commit ?? 0);
  const over = new AbortController();
  let events = 0;
  try {
    for await (const batch of log.subscribe(position ?? 'start', over.signal)) {
      for (const commit of batch) events += commit.events.length;
      if (events >= limits.lagCountedMax || batch.at(-1)!.commit >= tail.commit) over.abort();
    }
  } catch (cause) {
    // What stops the projection must not hide that it has stopped: there is at least the event that cannot be decoded.
    if (!(cause instanceof LogCorrupt)) throw cause;
    events += 1;
  }
  return Math.min(events, limits.lagCountedMax);
}

import type { UserId } from '../../events/ids.ts';
import { comparePositions } from '../../events/position.ts';
import type { Position } from '../../events/position.ts';
import { limits } from '../../limits.ts';
import type { CaughtUp } from '../../projections/caught-up.ts';
import type { HandOver, ReadModel } from '../../projections/read-model.ts';
import { apiError, notCaughtUp } from '../errors.ts';
import type { Audiences, PostStream, Timeline } from './audiences.ts';
import type { FeedEvent } from './feed-events.ts';
import type { PostEntry } from './pushed.ts';
import type { Hold, RecentEvents } from './recent-events.ts';
import type { Slots } from './slots.ts';

/** What a hand-over needs of the live feed. */
export interface HandOverServices {
  readonly readModel: ReadModel;
  readonly caughtUp: CaughtUp;
  readonly audiences: Audiences;
  readonly recent: RecentEvents;
  readonly slots: Slots;
  /** The feed's position: what it has handed to its subscribers, or is about to. */
  position(): Position;
  /** The end of the log now. */
  tail(): Promise<Position>;
  /** The entry of a row that was read at `readAt`; the same one for all who read it there. */
  entryOf(row: HandOver['entries'][number], readAt: Position): PostEntry;
}

export const cursorTooOld = () =>
  apiError('CURSOR_TOO_OLD', `More than ${limits.resumeEntriesMax} entries came after it. Query the timeline again and resume from there.`);

const later = (a: Position, b: Position) => (comparePositions(a, b) >= 0 ? a : b);
const isAfter = (a: Position, b: Position) => comparePositions(a, b) > 0;

/**
 * Brings a new subscriber from its cursor into the running feed, without a gap and without a repeat.
 *
 * The feed's position F is noted, and what the feed passes from then on is kept. One snapshot of the read model, which is at F or later, gives its
 * position R, the followees, and the entries after the cursor up to R. When it is here, the feed stands at G. What lies between R and G is taken from
 * what was kept; what lies between G and R the feed will pass over for this subscriber; and everything after both comes live. No step reads the log.
 *
 * `since`: undefined for "from now", which is the end of the log at this moment. Resolves when the stream is part of the feed, or has ended.
 */
export async function handOver(
  services: HandOverServices,
  timeline: Timeline,
  stream: PostStream,
  since: Position | undefined,
): Promise<void> {
  const start = since ?? (await services.tail());
  while (!(await hasReached(services.caughtUp, start))) {
    // Who named a position may have made a mistake and is told; "now" is never one, however far the read model is behind.
    if (since !== undefined) stream.fail(notCaughtUp());
    if (stream.ended) return;
  }
  const giveBack = await services.slots.take();
  try {
    while (!stream.ended && !(await tryHandOver(services, timeline, stream, start)));
  } finally {
    giveBack();
  }
}

/** False when what was kept of the feed did not suffice: begin again. */
async function tryHandOver(services: HandOverServices, timeline: Timeline, stream: PostStream, start: Position): Promise<boolean> {
  const from = services.position();
  const hold = services.recent.hold();
  try {
    const snapshot = await readSnapshot(services.readModel, timeline, start);
    const readAt = snapshot.position ?? { ...start, commit: 0, index: 0 };
    if (isAfter(from, readAt) || isAfter(start, readAt)) {
      // The read model was there before: it can only be a moment behind, while it is being exchanged.
      if (!(await hasReached(services.caughtUp, later(from, start)))) stream.fail(notCaughtUp());
      return false;
    }
    if (stream.ended) return true;
    if (snapshot.entries.length > limits.resumeEntriesMax) {
      stream.fail(cursorTooOld());
      return true;
    }
    return join(services, timeline, stream, { start, readAt, snapshot, hold });
  } finally {
    hold.release();
  }
}

/** From here to the end nothing waits: the feed does not move. */
function join(
  services: HandOverServices,
  timeline: Timeline,
  stream: PostStream,
  read: { start: Position; readAt: Position; snapshot: HandOver; hold: Hold },
): boolean {
  const passed = read.hold.events();
  if (passed === undefined) return false;
  const authors = new Set(timeline.kind === 'home' ? [...read.snapshot.followees, timeline.viewerId] : [timeline.authorId]);
  const missed = read.snapshot.entries.map((row) => services.entryOf(row, read.readAt));
  const entries = bringForward(timeline, authors, missed, passed, later(read.readAt, read.start));
  services.audiences.join(timeline, stream, later(later(read.readAt, services.position()), read.start), authors);
  stream.begin(entries);
  return true;
}

/** Applies what the feed has passed after the snapshot; changes `authors`. */
function bringForward(
  timeline: Timeline,
  authors: Set<UserId>,
  missed: readonly PostEntry[],
  passed: readonly FeedEvent[],
  after: Position,
): PostEntry[] {
  const entries = [...missed];
  const deleted = new Set<string>();
  for (const event of passed) {
    if (!isAfter(event.position, after)) continue;
    if (event.kind === 'posted') {
      if (authors.has(event.entry.authorId)) entries.push(event.entry);
    } else if (event.kind === 'deleted') deleted.add(event.postId);
    else if (timeline.kind === 'home' && event.followerId === timeline.viewerId) {
      if (event.kind === 'followed') authors.add(event.followeeId);
      else authors.delete(event.followeeId);
    }
  }
  return deleted.size === 0 ? entries : entries.filter(({ postId }) => !deleted.has(postId));
}

function readSnapshot(readModel: ReadModel, timeline: Timeline, after: Position): Promise<HandOver> {
  return timeline.kind === 'home'
    ? readModel.homeHandOver(timeline.viewerId, after, limits.resumeEntriesMax)
    : readModel.userHandOver(timeline.authorId, after, limits.resumeEntriesMax);
}

async function hasReached(caughtUp: CaughtUp, position: Position): Promise<boolean> {
  return position.commit === 0 || (await caughtUp.waitFor(['network'], position, limits.caughtUpTimeoutMs));
}

import type { RecordedCommit } from '../../events/event-log.ts';
import { userOfStream } from '../../events/ids.ts';
import type { LogId, PostId, UserId } from '../../events/ids.ts';
import { comparePositions } from '../../events/position.ts';
import type { Position } from '../../events/position.ts';
import type { Findings } from './findings.ts';
import type { Subscriber } from './records.ts';

// What the live feed promises: an entry is pushed exactly once where the relation (a follow, or authorship) held from the cursor, or from the entry if it
// is later, to the delivery; either way where it changed in between; never where it did not hold. When a push was delivered nobody writes down, but
// not after `until`: so an entry counts as lost where nothing changed from the entry to `until`, and as foreign where the relation held at no time since the
// entry. What lies between is not judged.

export interface PushesCheck {
  visit(commit: RecordedCommit): void;
  finish(): void;
}

interface Entry {
  readonly id: PostId;
  readonly author: UserId;
  readonly position: Position;
  deleted: Position | undefined;
}

interface Interval {
  readonly from: Position;
  to: Position | undefined;
}

interface Watched extends Subscriber {
  /** When the subscriber followed whom. */
  readonly follows: Map<UserId, Interval[]>;
  /** Entries for which the relation held when they were made. */
  readonly candidates: Entry[];
}

export function createPushesCheck(logId: LogId, subscribers: readonly Subscriber[], findings: Findings): PushesCheck {
  const all = subscribers.map((subscriber): Watched => ({ ...subscriber, follows: new Map(), candidates: [] }));
  const ofUser = new Map<UserId, Watched[]>();
  for (const subscriber of all) ofUser.set(subscriber.userId, [...(ofUser.get(subscriber.userId) ?? []), subscriber]);
  const followers = new Map<UserId, Set<Watched>>();
  const pushed = new Set(all.flatMap(({ pushes }) => pushes));
  const entries = new Map<PostId, Entry>();

  function follow(user: UserId, followee: UserId, from: Position): void {
    for (const subscriber of ofUser.get(user) ?? []) {
      if (subscriber.timeline !== 'home') continue;
      subscriber.follows.set(followee, [...(subscriber.follows.get(followee) ?? []), { from, to: undefined }]);
      followers.set(followee, (followers.get(followee) ?? new Set()).add(subscriber));
    }
  }

  function unfollow(user: UserId, followee: UserId, to: Position): void {
    for (const subscriber of ofUser.get(user) ?? []) {
      const current = subscriber.follows.get(followee)?.at(-1);
      if (current) current.to ??= to;
      followers.get(followee)?.delete(subscriber);
    }
  }

  function create(id: PostId, author: UserId, position: Position): void {
    const audience = [...(ofUser.get(author) ?? []), ...(followers.get(author) ?? [])];
    if (audience.length === 0 && !pushed.has(id)) return;
    const entry = { id, author, position, deleted: undefined };
    entries.set(id, entry);
    for (const subscriber of audience) subscriber.candidates.push(entry);
  }

  function check(subscriber: Watched): void {
    const { name, pushes, since } = subscriber;
    const seen = new Set<PostId>();
    let before: Entry | undefined;
    let first: Position | undefined;
    for (const id of pushes) {
      const entry = entries.get(id);
      const what = `${name}: post ${id}`;
      if (seen.has(id)) findings.found('pushesDoubled', what);
      else if (entry === undefined) findings.found('pushesForeign', `${what}, which the log does not have`);
      else if (since !== undefined && !isAfter(since, entry.position)) findings.found('pushesForeign', `${what}, from before "since"`);
      else if (!heldSince(subscriber, entry)) findings.found('pushesForeign', `${what} by ${entry.author}, whom it has not followed since`);
      if (before && entry && !seen.has(id) && !isAfter(before.position, entry.position))
        findings.found('pushesUnordered', `${what} after ${before.id}`);
      seen.add(id);
      first ??= entry?.position;
      before = entry ?? before;
    }
    const until = subscriber.until ?? before?.position;
    const isAfterStart = (position: Position) =>
      since === undefined ? first !== undefined && !isAfter(position, first) : isAfter(since, position);
    for (const entry of subscriber.candidates) {
      const expected =
        until !== undefined &&
        !isAfter(until, entry.position) &&
        isAfterStart(entry.position) &&
        (entry.deleted === undefined || isAfter(until, entry.deleted)) &&
        heldUntil(subscriber, entry, until);
      if (expected && !seen.has(entry.id)) findings.found('pushesLost', `${name}: post ${entry.id} by ${entry.author}`);
    }
  }

  return {
    visit(commit) {
      const user = userOfStream(commit.stream);
      if (user === undefined) return;
      for (const [index, event] of commit.events.entries()) {
        const position = { logId, commit: commit.commit, index };
        if (event.type === 'UserFollowed') follow(user, event.followeeId, position);
        else if (event.type === 'UserUnfollowed') unfollow(user, event.followeeId, position);
        else if (event.type === 'PostCreated') create(event.postId, user, position);
        else if (event.type === 'PostDeleted') {
          const entry = entries.get(event.postId);
          if (entry) entry.deleted ??= position;
        }
      }
    },
    finish() {
      for (const subscriber of all) check(subscriber);
      findings.looked('pushes', { subscribers: all.length, pushes: all.reduce((sum, { pushes }) => sum + pushes.length, 0) });
    },
  };
}

/** Does `b` lie after `a`? */
function isAfter(a: Position, b: Position): boolean {
  return comparePositions(b, a) > 0;
}

/** Did the relation hold without a break from the entry to `until`? */
function heldUntil({ userId, follows }: Watched, { author, position }: Entry, until: Position): boolean {
  if (author === userId) return true;
  const intervals = follows.get(author) ?? [];
  return intervals.some(({ from, to }) => isAfter(from, position) && (to === undefined || isAfter(until, to)));
}

/** Has the relation held at any time since the entry? */
function heldSince({ userId, timeline, follows }: Watched, { author, position }: Entry): boolean {
  if (author === userId) return true;
  if (timeline === 'user') return false;
  return (follows.get(author) ?? []).some(({ to }) => to === undefined || isAfter(position, to));
}

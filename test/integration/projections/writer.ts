import { createMemoryLog } from '../../../src/events/memory-log.ts';
import type { EventLog, ExpectedVersion } from '../../../src/events/event-log.ts';
import type { DomainEvent } from '../../../src/events/event-types.ts';
import { runsStream, userIdOf, userStreamOf } from '../../../src/events/ids.ts';
import type { Handle, PostId, RunId, StreamName, UserId } from '../../../src/events/ids.ts';
import type { Position } from '../../../src/events/position.ts';
import { seededRandom } from '../../../src/random.ts';

/** Writes histories to a log as actors would, without deciding anything. */
export interface Writer {
  readonly log: EventLog;
  userId(number: number): UserId;
  register(number: number, time?: number): Promise<Position>;
  follow(follower: number, followee: number): Promise<Position>;
  unfollow(follower: number, followee: number): Promise<Position>;
  post(author: number, post: number, text?: string, time?: number): Promise<Position>;
  remove(author: number, post: number): Promise<Position>;
  startRun(run: number, time: number): Promise<Position>;
  endRun(run: number, endedAt: number, time?: number): Promise<Position>;
  append(stream: StreamName, events: DomainEvent[], time?: number): Promise<Position>;
}

const padded = (number: number) => number.toString(16).padStart(12, '0');
export const postIdOf = (number: number) => `01900000-0000-7000-8000-${padded(number)}` as PostId;
export const runIdOf = (number: number) => `01900000-0000-7000-9000-${padded(number)}` as RunId;
export const handleOf = (number: number) => `user_${number}` as Handle;
export const startTime = 1_700_000_000_000;

export function createWriter(log: EventLog = createMemoryLog({ random: seededRandom(1) })): Writer {
  const heads = new Map<StreamName, ExpectedVersion>();
  let time = startTime;
  const userId = (number: number) => userIdOf(handleOf(number), log.namespace);
  const append = async (stream: StreamName, events: DomainEvent[], at?: number) => {
    time = at ?? time + 1;
    const head = await log.append(stream, heads.get(stream) ?? 'no-stream', { events: events as [DomainEvent], time });
    heads.set(stream, head);
    return head.position;
  };
  const byUser = (number: number, event: DomainEvent, at?: number) => append(userStreamOf(userId(number)), [event], at);
  return {
    log,
    userId,
    append,
    register: (number, at) =>
      byUser(
        number,
        { type: 'UserRegistered', handle: handleOf(number), name: `Nr. ${number} "\\é💩`, passwordHash: `hash ${number}` },
        at,
      ),
    follow: (follower, followee) => byUser(follower, { type: 'UserFollowed', followeeId: userId(followee) }),
    unfollow: (follower, followee) => byUser(follower, { type: 'UserUnfollowed', followeeId: userId(followee) }),
    post: (author, post, text = `post ${post}`, at) => byUser(author, { type: 'PostCreated', postId: postIdOf(post), text }, at),
    remove: (author, post) => byUser(author, { type: 'PostDeleted', postId: postIdOf(post) }),
    startRun: (run, at) => append(runsStream, [{ type: 'RunStarted', runId: runIdOf(run), label: `run ${run}` }], at),
    endRun: (run, endedAt, at = endedAt) => append(runsStream, [{ type: 'RunEnded', runId: runIdOf(run), endedAt }], at),
  };
}

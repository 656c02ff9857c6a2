import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock } from '../../clock.ts';
import { LogCorrupt } from '../../events/event-log.ts';
import type { EventLog, RecordedCommit } from '../../events/event-log.ts';
import type { UserId } from '../../events/ids.ts';
import { comparePositions, lastPositionOf } from '../../events/position.ts';
import type { Position } from '../../events/position.ts';
import { limits } from '../../limits.ts';
import type { Logger } from '../../logger.ts';
import type { Metrics } from '../../metrics.ts';
import type { CaughtUp } from '../../projections/caught-up.ts';
import type { ReadModel } from '../../projections/read-model.ts';
import { subscribeMeters } from '../../transport/meter-reports.ts';
import type { Meters } from '../../transport/meter-reports.ts';
import type { Transport } from '../../transport/transport.ts';
import { startOfLog } from '../connections.ts';
import { createAudiences } from './audiences.ts';
import type { PostStream, Timeline } from './audiences.ts';
import { createBackOff } from './back-off.ts';
import { createEntries } from './entries.ts';
import { feedEventsOf } from './feed-events.ts';
import type { FeedEvent } from './feed-events.ts';
import { handOver } from './hand-over.ts';
import { LiveStream } from './live-stream.ts';
import { createPushCounts } from './push-counts.ts';
import { createRecentEvents } from './recent-events.ts';
import { createSlots } from './slots.ts';
import { createThroughput } from './throughput.ts';
import type { ThroughputStream } from './throughput.ts';

/** What clients are pushed. One per gateway. */
export interface LiveFeed {
  /** New posts of the viewer and of whom the viewer follows. `since`: first what came after it; undefined: from now. */
  homeTimeline(viewerId: UserId, since: Position | undefined): PostStream;
  userTimeline(authorId: UserId, since: Position | undefined): PostStream;
  /** A sample every `everyMs` milliseconds. */
  throughput(everyMs: number): ThroughputStream;
  /** Counts an entry that went out. */
  pushed(field: string): void;
  /** What has been handed to subscribers, or is just being. */
  position(): Position;
  /** Why nothing is pushed any more: what the log could not be read for. Null while all is well. */
  stoppedBy(): string | null;
  /** Resolves when the feed has found its place in the log: before it, subscriptions wait. */
  readonly started: Promise<void>;
  /** Ends every stream, and stops following the log. */
  close(): Promise<void>;
}

export interface LiveFeedOptions {
  readonly log: EventLog;
  readonly readModel: ReadModel;
  readonly caughtUp: CaughtUp;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** What the nodes report of themselves, and the name of the system among those that share the transport. */
  readonly transport: Transport;
  readonly space: string;
  /** Told of every push, for the reports of this node. */
  readonly meters?: Pick<Meters, 'count'>;
}

/**
 * Follows the log once and hands each post to whom it concerns, in log order. The log says what and whom; the fields come from the read model, which
 * must have passed the batch, in one statement. A batch is passed whole or not at all: whatever fails is tried again from where it stood, so that
 * nothing is lost and nothing doubled. A damaged log is not mended by trying again: then every subscription ends with an error, and new ones at once.
 */
export function createLiveFeed(options: LiveFeedOptions): LiveFeed {
  const { log, readModel, caughtUp, clock, logger, metrics } = options;
  const stop = new AbortController();
  const { signal } = stop;
  const audiences = createAudiences();
  const recent = createRecentEvents({ eventsMax: limits.handOverEventsMax });
  const slots = createSlots(limits.handOversMax);
  const insist = createBackOff({ clock, logger, signal });
  const entries = createEntries({ readModel, insist });
  const streams = new Set<PostStream>();
  const throughput = createThroughput({ clock, metrics });
  const counts = createPushCounts({ metrics, ...(options.meters ? { meters: options.meters } : {}) });
  let position = startOfLog(log.id);
  let damage: LogCorrupt | undefined;

  const tail = async (): Promise<Position> => (await log.tail())?.position ?? startOfLog(log.id);

  const started = insist('find the end of the log', async () => {
    position = await tail();
  });

  async function follow(): Promise<void> {
    await started;
    while (!signal.aborted && damage === undefined) {
      await insist('follow the log', async () => {
        try {
          for await (const commits of log.subscribe(position.commit === 0 ? 'start' : position, signal)) {
            throughput.countCommits(commits);
            await pass(commits);
            if (signal.aborted) return;
          }
        } catch (error) {
          if (error instanceof LogCorrupt) return giveUp(error);
          throw error;
        }
        if (!signal.aborted) throw new Error('the subscription of the log ended');
      });
    }
  }

  function giveUp(error: LogCorrupt): void {
    damage = error;
    logger.error({ err: error }, 'the log is damaged: the live feed has stopped');
    for (const stream of streams) stream.fail(error);
    throughput.close(error);
  }

  async function pass(commits: readonly RecordedCommit[]): Promise<void> {
    const last = commits.at(-1);
    if (last === undefined) return;
    const events = feedEventsOf(log.id, commits);
    const reached = lastPositionOf(log.id, last);
    if (events.length > 0) {
      await insist('wait for the read model', async () => {
        while (!signal.aborted && !(await caughtUp.waitFor(['network'], reached, limits.caughtUpTimeoutMs)));
      });
      const wanted = events.flatMap((event) =>
        event.kind === 'posted' && audiences.of(event.entry.authorId).size > 0 ? [event.entry] : [],
      );
      await entries.load(wanted);
      if (signal.aborted) return;
    }
    // From here on the batch counts as passed: a hand-over that completes in a pause of `deliver` takes all of it from `recent`.
    position = reached;
    recent.add(events);
    await deliver(events);
  }

  async function deliver(events: readonly FeedEvent[]): Promise<void> {
    leaveOut(events);
    let began = clock.monotonicMs();
    let handed = 0;
    for (const event of events) {
      if (event.kind === 'followed' || event.kind === 'unfollowed') {
        audiences.relate(event.kind, event.followerId, event.followeeId);
      } else if (event.kind === 'posted') {
        for (const audience of audiences.of(event.entry.authorId)) {
          for (const [stream, from] of audience.streams) {
            if (comparePositions(event.position, from) <= 0) continue;
            stream.push(event.entry);
            handed += 1;
            if (handed % 64 !== 0 || clock.monotonicMs() - began < limits.liveFeedSliceMs) continue;
            await nextTurn();
            began = clock.monotonicMs();
          }
        }
      }
    }
  }

  /** A post that was deleted while it waits for a slow subscriber is not shown to that one either. */
  function leaveOut(events: readonly FeedEvent[]): void {
    const deleted = new Set<string>();
    for (const event of events) if (event.kind === 'deleted') deleted.add(event.postId);
    if (deleted.size === 0) return;
    for (const stream of streams) {
      for (const entry of stream.waiting()) if (deleted.has(entry.postId)) entry.row = null;
    }
  }

  function open(field: string, timeline: Timeline, since: Position | undefined): PostStream {
    const stream: PostStream = new LiveStream({
      load: entries.load,
      onEnd() {
        streams.delete(stream);
        audiences.leave(timeline, stream);
        metrics.subscribers.dec({ field });
      },
    });
    streams.add(stream);
    metrics.subscribers.inc({ field });
    const services = { readModel, caughtUp, audiences, recent, slots, tail, position: () => position, entryOf: entries.of };
    started
      .then(() => {
        if (damage !== undefined) throw damage;
        return handOver(services, timeline, stream, since);
      })
      .catch((error: unknown) => stream.fail(error instanceof Error ? error : new Error(String(error))));
    return stream;
  }

  const following = follow();
  const reports = subscribeMeters(options, throughput.countReport);
  reports.catch((error: unknown) =>
    logger.warn({ err: error }, 'the reports of the nodes cannot be heard: the live throughput lacks them'),
  );

  return {
    homeTimeline: (viewerId, since) => open('homeTimeline', { kind: 'home', viewerId }, since),
    userTimeline: (authorId, since) => open('userTimeline', { kind: 'user', authorId }, since),
    throughput(everyMs) {
      const stream = throughput.open(everyMs);
      if (damage !== undefined) stream.fail(damage);
      return stream;
    },
    pushed: counts.pushed,
    position: () => position,
    stoppedBy: () => damage?.message ?? null,
    started,
    async close() {
      stop.abort();
      for (const stream of streams) stream.end();
      throughput.close();
      await following;
      await reports.then((stopReports) => stopReports()).catch(() => undefined);
    },
  };
}

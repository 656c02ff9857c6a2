import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { LogCorrupt } from '../../../src/events/event-log.ts';
import type { EventLog } from '../../../src/events/event-log.ts';
import { createMemoryLog } from '../../../src/events/memory-log.ts';
import { createLiveFeed } from '../../../src/gateway/live/live-feed.ts';
import type { PostStream } from '../../../src/gateway/live/audiences.ts';
import type { ThroughputStream } from '../../../src/gateway/live/throughput.ts';
import { LiveStream } from '../../../src/gateway/live/live-stream.ts';
import { silentLogger } from '../../../src/logger.ts';
import { createMetrics } from '../../../src/metrics.ts';
import type { CaughtUp } from '../../../src/projections/caught-up.ts';
import type { ReadModel } from '../../../src/projections/read-model.ts';
import { seededRandom } from '../../../src/random.ts';
import { createLocalTransport } from '../../../src/transport/local-transport.ts';
import { eventually } from '../../support/wait-for.ts';
import { userIdNumber } from './world.ts';

const damage = new LogCorrupt('commit 7: is not JSON');

/** A feed over a log whose subscription breaks when the test says so. */
function createFeed() {
  const log = createMemoryLog({ random: seededRandom(1) });
  const broken = new AbortController();
  let subscribed = 0;
  const damaged: EventLog = {
    ...log,
    async *subscribe(after, signal) {
      subscribed += 1;
      yield* log.subscribe(after, AbortSignal.any([signal, broken.signal]));
      if (broken.signal.aborted) throw damage;
    },
  };
  const caughtUp = { waitFor: async () => true, close: () => undefined } as unknown as CaughtUp;
  const readModel = { homeHandOver: async () => ({ position: null, followees: [], entries: [] }) } as unknown as ReadModel;
  const common = { clock: systemClock, logger: silentLogger, metrics: createMetrics(), space: 'test' };
  const feed = createLiveFeed({ log: damaged, readModel, caughtUp, transport: createLocalTransport({ clock: systemClock }), ...common });
  onTestFinished(() => feed.close());
  return { feed, break: () => broken.abort(), subscribed: () => subscribed };
}

function told(stream: PostStream | ThroughputStream): () => Error | undefined {
  let failure: Error | undefined;
  stream.attach({ deliver: () => undefined, room: () => undefined, ended: (error) => (failure = error) });
  return () => failure;
}

test('a damaged log ends every subscription, and the feed says so instead of trying for ever', async () => {
  const world = createFeed();
  const before = told(world.feed.homeTimeline(userIdNumber(1), undefined));
  await eventually(() => world.subscribed() === 1, 'the feed follows');
  expect(world.feed.stoppedBy()).toBeNull();
  const sampled = told(world.feed.throughput(1_000));
  world.break();
  await eventually(() => world.feed.stoppedBy() !== null, 'the feed has stopped');
  expect(before()).toBe(damage);
  expect(sampled()).toBe(damage);
  const after = told(world.feed.homeTimeline(userIdNumber(2), undefined));
  await eventually(() => after() !== undefined, 'a new subscription is told');
  expect(after()).toBe(damage);
  expect(told(world.feed.throughput(1_000))()).toBe(damage);
  expect(world.subscribed()).toBe(1);
});

test('who takes over a stream that has failed already is told', async () => {
  const stream: PostStream = new LiveStream({ onEnd: () => undefined });
  stream.fail(damage);
  await nextTurn();
  expect(told(stream)()).toBe(damage);
});

import { expect, test } from 'vitest';
import { startSessionFeed } from '../../../src/gateway/session-feed.ts';
import { limits } from '../../../src/limits.ts';
import { silentLogger } from '../../../src/logger.ts';
import type { Database } from '../../../src/projections/database.ts';
import { systemRandom } from '../../../src/random.ts';
import { createManualClock } from '../../support/manual-clock.ts';

test('a connection that is lost as it begins to listen is replaced with the next beat, not when beats have stayed out', async () => {
  const clock = createManualClock();
  let connections = 0;
  let hear: (payload: string) => void = () => undefined;
  const database = {
    listen: async (_channel: string, onMessage: typeof hear, onLost: (cause: unknown) => void) => {
      connections += 1;
      if (connections === 1) onLost(new Error('cut'));
      else hear = onMessage;
      return async () => undefined;
    },
    query: async ({ values }: { values: readonly string[] }) => {
      hear(values[1]!);
      return [];
    },
  } as unknown as Database;
  const feed = startSessionFeed(
    { database, clock, random: systemRandom, logger: silentLogger },
    { isNeeded: () => true, ended: () => undefined, missed: () => undefined, beat: async () => undefined },
  );
  await clock.advance(limits.sessionHeartbeatMs);
  expect(connections).toBe(2);
  expect(feed.isFresh()).toBe(true);
  await feed.close();
});

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { CommandClient } from '../../../src/actors/command-client.ts';
import type { Answer } from '../../../src/actors/commands.ts';
import { importNetwork } from '../../../src/cli/import/import-network.ts';
import { systemClock } from '../../../src/clock.ts';
import type { LogId } from '../../../src/events/ids.ts';
import { limits } from '../../../src/limits.ts';
import { tempDir } from '../../support/temp-dir.ts';

const logId = '16708f7d-f48b-4346-a704-3323942f000b';
const position = { logId: logId as LogId, commit: 1, index: 0 };
const away: Answer = { outcome: 'unavailable', reason: 'log-unavailable' };

/** One user follows another, in a system whose log is away for so many answers. */
async function importWhileAway(answersAway: number) {
  const follows = join(await tempDir('import'), 'follows.tsv');
  await writeFile(follows, 'follower\tfollowee\n1\t2\n');
  let left = answersAway;
  const commands = {
    send: () => Promise.reject(new Error('an import sends together what belongs together')),
    async sendAll(_userId, wanted) {
      const answer: Answer = left-- > 0 ? away : { outcome: 'accepted', position, repeated: false };
      return wanted.map(() => answer);
    },
  } satisfies CommandClient;
  const clock = { ...systemClock, sleep: async () => undefined };
  return importNetwork(
    { follows, posts: undefined, passwordHash: '!', seed: 1, inFlight: 1 },
    { commands, namespace: logId, clock, signal: new AbortController().signal, report: () => undefined },
  );
}

test('an import waits for a log that is away, as one is whose leader died', async () => {
  expect(await importWhileAway(limits.importTriesMax - 1)).toMatchObject({ users: 2, follows: 1 });
});

test('a log that stays away ends it, with the cure', async () => {
  await expect(importWhileAway(Infinity)).rejects.toMatchObject({
    code: 'LOG_UNAVAILABLE',
    message: expect.stringContaining('is its disk full, or are most of its servers away'),
  });
});

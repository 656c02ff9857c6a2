import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { CommandClient, Wanted } from '../../../src/actors/command-client.ts';
import { commandMessage } from '../../../src/actors/envelope.ts';
import type { Answer } from '../../../src/actors/commands.ts';
import { importNetwork } from '../../../src/cli/import/import-network.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { startNode } from '../actors/actor-node.ts';
import { deadlineIn } from '../actors/given.ts';

test('an import does what it should, whatever ids users whose handles it takes have given to their commands', async () => {
  const follows = join(await tempDir('import'), 'follows.tsv');
  await writeFile(follows, 'follower\tfollowee\n1\t2\n1\t3\n');
  const node = await startNode();
  const squatter = await node.register('u1', { commandId: 'import:register:u1' });
  const [second, third] = [node.userOf('u2'), node.userOf('u3')];
  await node.tell(squatter, { type: 'FollowUser', followeeId: second }, { commandId: 'import:follow:u1:u2' });
  await node.tell(squatter, { type: 'UnfollowUser', followeeId: second }, { commandId: 'import:follow:u1:u3' });

  const commands: CommandClient = {
    send: () => Promise.reject(new Error('an import sends together what belongs together')),
    async sendAll(userId, [first, ...rest]) {
      const envelopeOf = (wanted: Wanted) => ({ userId, deadline: deadlineIn(node.clock, 10_000), ...wanted });
      const reply = await node.ask(userId, commandMessage([envelopeOf(first), ...rest.map(envelopeOf)], 2));
      return reply.body as readonly Answer[];
    },
  };
  const summary = await importNetwork(
    { follows, posts: undefined, passwordHash: '!', seed: 1, inFlight: 8 },
    { commands, namespace: node.truth.namespace, clock: node.clock, signal: new AbortController().signal, report: () => undefined },
  );
  expect(summary).toMatchObject({ users: 3, knownUsers: 1, follows: 2, repeated: 0 });
  const events = (await node.commitsOf(squatter)).flatMap((commit) => commit.events);
  expect(events.slice(3)).toEqual([second, third].map((followeeId) => ({ type: 'UserFollowed', followeeId })));
});

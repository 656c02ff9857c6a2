import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { CommandClient, Wanted } from '../../../src/actors/command-client.ts';
import { commandMessage } from '../../../src/actors/envelope.ts';
import type { Answer } from '../../../src/actors/commands.ts';
import { importNetwork } from '../../../src/cli/import/import-network.ts';
import { newPostId } from '../../../src/events/ids.ts';
import { limits } from '../../../src/limits.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { startNode } from '../actors/actor-node.ts';
import { deadlineIn } from '../actors/given.ts';

const users = limits.rememberedCommandsMin + 50;
const posts = 3 * limits.rememberedCommandsMin;
const day = 24 * 3_600_000;

test('an import that was interrupted goes on days later, when actors have forgotten its commands, and doubles nothing', async () => {
  const folder = await tempDir('import');
  const [follows, texts] = [join(folder, 'follows.tsv'), join(folder, 'posts.txt')];
  // The first user has more follows and posts than an actor remembers whatever their age.
  const others = Array.from({ length: users - 1 }, (_, index) => index + 2);
  const lines = others.flatMap((other) => [`1\t${other}`, `${other}\t1`]);
  await writeFile(follows, `follower\tfollowee\n${lines.join('\n')}\n`);
  await writeFile(texts, Array.from({ length: posts }, (_, index) => `text ${index % 700}\n`).join(''));

  const node = await startNode({ limits: { passivateAfterMs: day } });
  const commits = async () => (await node.truth.tail())!.position.commit;
  const run = async (stopAfter: number) => {
    const interrupted = new AbortController();
    let sent = 0;
    const commands: CommandClient = {
      send: () => Promise.reject(new Error('an import sends together what belongs together')),
      async sendAll(userId, [first, ...rest]) {
        sent += 1 + rest.length;
        if (sent >= stopAfter) interrupted.abort(new Error('interrupted'));
        const envelopeOf = (wanted: Wanted) => ({ userId, deadline: deadlineIn(node.clock, 10_000), ...wanted });
        const reply = await node.ask(userId, commandMessage([envelopeOf(first), ...rest.map(envelopeOf)], 2));
        return reply.body as readonly Answer[];
      },
    };
    return importNetwork(
      { follows, posts: texts, passwordHash: '!', seed: 1, inFlight: 8 },
      { commands, namespace: node.truth.namespace, clock: node.clock, signal: interrupted.signal, report: () => undefined },
    );
  };

  // What an actor forgets it forgets with the next event of its user.
  const daysLater = async () => {
    await node.clock.advance(3 * day);
    const text = `written on ${new Date(node.clock.now()).toISOString()}`;
    await node.tell(node.userOf('u1'), { type: 'CreatePost', postId: newPostId(node.clock, node.random), text });
  };

  const all = users + lines.length + posts;
  await expect(run(all - 100)).rejects.toThrow('interrupted');
  expect(await commits()).toBeLessThan(all);
  await daysLater();
  await run(Infinity);
  expect(await commits()).toBe(all + 1);
  await daysLater();
  expect(await run(Infinity)).toMatchObject({ knownUsers: users, repeated: lines.length + posts });
  expect(await commits()).toBe(all + 2);
});

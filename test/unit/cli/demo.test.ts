import { expect, onTestFinished, test } from 'vitest';
import type { CommandClient } from '../../../src/actors/command-client.ts';
import { startDemo } from '../../../src/cli/demo/demo.ts';
import { people } from '../../../src/cli/demo/people.ts';
import { newCommandId } from '../../../src/events/ids.ts';
import { silentLogger } from '../../../src/logger.ts';
import { readAll } from '../../support/whole-log.ts';
import { startNode } from '../actors/actor-node.ts';

/** A system to move into, whose process dies after so many commands. */
async function startSystem() {
  const { truth, clock, random, tell } = await startNode();
  const moveIn = async (commandsUntilDeath: number) => {
    const death = new AbortController();
    let left = commandsUntilDeath;
    const commands: CommandClient = {
      async send(userId, command) {
        if (left-- <= 0) death.abort();
        death.signal.throwIfAborted();
        return { answer: await tell(userId, command), commandId: newCommandId(random) };
      },
      sendAll: () => Promise.reject(new Error('the people of the demo send one command at a time')),
    };
    const demo = await startDemo({ log: truth, commands, clock, random }, { signal: death.signal, logger: silentLogger });
    onTestFinished(() => demo.stop());
    return demo;
  };
  const registered = async () =>
    (await readAll(truth)).flatMap(({ events }) => events.flatMap((event) => (event.type === 'UserRegistered' ? [event.handle] : [])));
  return { moveIn, registered };
}

test('people whose system died while they moved in all live in it after the next start, each once', async () => {
  const { moveIn, registered } = await startSystem();
  await expect(moveIn(7)).rejects.toThrow();
  expect(await registered()).toHaveLength(7);

  const { welcome } = await moveIn(Infinity);
  expect(welcome.join()).toContain(`${people.length} people live here, and go on.`);
  expect((await registered()).toSorted()).toEqual(people.map(([handle]) => handle).toSorted());
});

import { expect, onTestFinished, test } from 'vitest';
import type { Answer, Command } from '../../src/actors/commands.ts';
import { commandMessage, readAnswerMessage } from '../../src/actors/envelope.ts';
import { startMembership } from '../../src/actors/runtime/membership.ts';
import { createCommandClient } from '../../src/actors/transport-command-client.ts';
import { systemClock } from '../../src/clock.ts';
import { newCommandId, newPostId, parseHandle, userIdOf } from '../../src/events/ids.ts';
import type { Handle, UserId } from '../../src/events/ids.ts';
import { openJetStreamLog } from '../../src/events/jetstream-log.ts';
import { silentLogger } from '../../src/logger.ts';
import { systemRandom } from '../../src/random.ts';
import { connectNats } from '../../src/transport/nats-transport.ts';
import { commandSubject, shardOf } from '../../src/transport/subjects.ts';
import { startNatsServer } from '../support/nats-server.ts';
import { launchStarling } from '../support/starling-process.ts';
import { eventually } from '../support/wait-for.ts';

const space = 'starling';
const ports = { space, clock: systemClock, random: systemRandom, logger: silentLogger };

interface User {
  readonly handle: Handle;
  readonly id: UserId;
}

/** Two actor nodes, each a process, and a gateway's view of them. */
async function startNodes() {
  const nats = await startNatsServer({ jetStream: true });
  onTestFinished(() => nats.remove());
  const transport = await connectNats({ ...ports, servers: [nats.url], name: 'test' });
  onTestFinished(() => transport.close());
  const membership = await startMembership({
    ...ports,
    transport,
    node: { id: 'test', roles: ['gateway'], startedAt: systemClock.now() },
    understands: { events: 1, messages: 1 },
    describe: () => ({ activeActors: 0, commandsAnswered: 0 }),
  });
  onTestFinished(() => membership.stop());
  const nodes = await Promise.all(
    [1, 2].map(async () => {
      const node = launchStarling(['actors'], { NATS_URL: nats.url });
      onTestFinished(() => {
        node.child.kill('SIGKILL');
        return node.ended.then(() => undefined);
      });
      const [, id] = await eventually(() => /is ready.*: node (\w+)/.exec(node.output()), 'the node is ready', 30_000);
      return { id: id!, child: node.child };
    }),
  );
  const log = await openJetStreamLog({ ...ports, servers: [nats.url], name: 'test', replicas: 1 });
  onTestFinished(() => log.close());
  return { transport, membership, log, nodes, commands: createCommandClient({ ...ports, transport, membership }) };
}

// What a gateway would never do, since it holds the node dead: it is asked all the same, before, while and after it wakes up, for as long as anybody likes.
test(
  'an actor node that stood still while another one served its users answers nothing from what it knew',
  { timeout: 120_000 },
  async () => {
    const { transport, membership, log, nodes, commands } = await startNodes();
    const owner = (userId: UserId) => nodes.find(({ id }) => membership.ownerOf(shardOf(userId))?.id === id);
    await eventually(
      () => new Set(Array.from({ length: 256 }, (_, shard) => membership.ownerOf(shard)?.id)).size === 2,
      'both serve users',
    );
    const [stopped, other] = nodes as [(typeof nodes)[0], (typeof nodes)[0]];
    const [ada, eve] = Array.from({ length: 500 }, (_, n) => parseHandle(`u${n}`)!)
      .map((handle) => ({ handle, id: userIdOf(handle, log.namespace) }))
      .filter(({ id }) => owner(id) === stopped) as [User, User];
    const bob = userIdOf(parseHandle('bob')!, log.namespace);
    const send = async ({ id }: User, command: Command) => {
      const { answer } = await commands.send(id, command);
      if (answer.outcome !== 'accepted') throw new Error(`${command.type}: ${answer.outcome}`);
      return answer.position.commit;
    };
    const post = (text: string) => ({ type: 'CreatePost', postId: newPostId(systemClock, systemRandom), text }) as const;

    for (const user of [ada, eve]) await send(user, { type: 'RegisterUser', handle: user.handle, name: user.handle, passwordHash: '$' });
    await send(ada, { type: 'FollowUser', followeeId: bob });
    const { ahead } = membership.ownerOf(shardOf(ada.id))!;
    const answers: Answer[] = [];
    const asking = new Set<Promise<void>>();
    function ask({ id }: User, command: Command): void {
      const inAMinute = systemClock.monotonicMs() + 60_000;
      const deadline = { monotonicMs: inAMinute + ahead.monotonicMs, wallMs: inAMinute + ahead.wallMs };
      const message = commandMessage([{ userId: id, commandId: newCommandId(systemRandom), clientChose: false, deadline, command }], 1);
      const asked = transport.request(commandSubject(space, stopped.id, shardOf(id)), message, { timeoutMs: 30_000 }).then((reply) => {
        const read = readAnswerMessage(reply);
        if (typeof read === 'object') answers.push(...read);
        asking.delete(asked);
      });
      asking.add(asked);
    }

    stopped.child.kill('SIGSTOP');
    const stoppedAt = performance.now();
    await eventually(() => owner(ada.id) === other, 'the other one serves them', 15_000);
    const meanwhile = post('the stopped node does not know this one');
    await send(eve, post('nor this one'));
    await send(ada, meanwhile);
    const end = await send(ada, { type: 'UnfollowUser', followeeId: bob });
    // From what it knew it would deny that there is such a post, would say yes to the follow without an event, and would write at an old version.
    const askAll = () => {
      ask(ada, { type: 'DeletePost', postId: meanwhile.postId, authorId: ada.id });
      ask(ada, { type: 'FollowUser', followeeId: bob });
      ask(eve, post('late'));
    };
    askAll();
    await eventually(() => performance.now() - stoppedAt > 10_000, 'ten seconds are over', 20_000);
    stopped.child.kill('SIGCONT');
    await eventually(
      () => {
        askAll();
        return answers.some(({ outcome }) => outcome === 'accepted');
      },
      'it serves them again',
      30_000,
    );
    await Promise.all(asking);
    expect(answers.filter(({ outcome }) => outcome === 'rejected')).toEqual([]);
    const told = answers.flatMap((answer) => (answer.outcome === 'accepted' ? [answer.position.commit] : []));
    expect(Math.min(...told)).toBeGreaterThan(end);
  },
);

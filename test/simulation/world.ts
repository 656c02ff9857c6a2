import assert from 'node:assert/strict';
import type { Command } from '../../src/actors/commands.ts';
import type { CommandClient } from '../../src/actors/command-client.ts';
import { startActorHost } from '../../src/actors/runtime/host.ts';
import { createMemorySnapshots } from '../../src/actors/runtime/snapshots.ts';
import { createCommandClient } from '../../src/actors/transport-command-client.ts';
import { newPostId, parseHandle, userIdOf, userStreamOf } from '../../src/events/ids.ts';
import type { CommandId, PostId, StreamName, UserId } from '../../src/events/ids.ts';
import { createMemoryLog } from '../../src/events/memory-log.ts';
import { silentLogger } from '../../src/logger.ts';
import { createMetrics } from '../../src/metrics.ts';
import type { Metrics } from '../../src/metrics.ts';
import { seededRandom } from '../../src/random.ts';
import { fixedMembership } from '../support/fixed-membership.ts';
import { appending, appendTo, createFaultyLog, oneByOne } from './faulty-log.ts';
import type { Faults, LogMutant } from './faulty-log.ts';
import { createFaultyNetwork } from './faulty-transport.ts';
import { createSimulatedClock } from './simulated-clock.ts';
import { checkSafety } from './witness.ts';
import type { Sent } from './witness.ts';

const nodes = ['first', 'second'];
const clients = 4;
const commandsPerClient = 12;
/** Simulated time after the last fault in which everything must be answered: the deadline of a command, and what is still on its way. */
const answeredWithinMs = 30_000;

/** Metrics are not looked at, and making them for each node of each seed would take most of the time. */
const metrics: Metrics = createMetrics();

/**
 * One seed: two nodes that both serve every user, four clients, three users, and whatever can go wrong. First with faults, safety checked at
 * the end; then without, when every command that had no certain answer must get one.
 * Returns what the clients saw. @throws when the system broke a promise.
 */
export async function simulate(seed: number, mutant?: LogMutant): Promise<readonly Sent[]> {
  const random = seededRandom(seed);
  const clock = createSimulatedClock();
  const faults: Faults = { on: true };
  const memory = createMemoryLog({ random });
  // Actors go other ways where the log appends one commit at a time.
  const truth = seed % 4 < 2 ? memory : oneByOne(memory);
  const lengths = new Map<StreamName, number>();
  const counted = appending(truth, async (stream, expected, commits) => {
    const heads = await appendTo(truth, stream, expected, commits);
    lengths.set(stream, (lengths.get(stream) ?? 0) + commits.length);
    return heads;
  });
  const network = createFaultyNetwork({ clock, random, faults });
  const snapshots = createMemorySnapshots();
  const ports = { clock, random, logger: silentLogger, space: 's', membership: fixedMembership(clock) };
  const sent: Sent[] = [];
  const handles = ['ann', 'bob', 'cid'].map((text) => parseHandle(text)!);
  const users = handles.map((handle) => userIdOf(handle, truth.namespace));
  const postIds: PostId[] = [];
  let commandCount = 0;
  let lifeOver = false;

  // Every other seed never puts an actor away, or passivation would cure what is wrong with one.
  const shortLived = seed % 2 === 0 ? { activeActorsMax: 2, passivateAfterMs: 1_500 } : {};

  const pick = <T>(items: readonly T[]): T => items[Math.floor(random.float() * items.length)]!;

  async function startNode(node: string): Promise<() => void> {
    const way = createFaultyLog({ inner: counted, clock, random, faults, ...(mutant && { mutant }) });
    await startActorHost({
      ...ports,
      log: way.log,
      transport: network.transportOf(node),
      snapshots,
      metrics,
      limits: { ...shortLived, snapshotEveryEvents: 4, recoveriesMax: 1, mailboxSizeMax: 3 },
    });
    return () => {
      way.crash();
      network.cutOff(node);
    };
  }

  /** Crashes and comes back, again and again, until the faults end. */
  async function liveNode(node: string): Promise<void> {
    for (;;) {
      const crash = await startNode(node);
      await clock.sleep(random.float() * 15_000);
      if (!faults.on) return;
      crash();
      await clock.sleep(random.float() * 2_000);
    }
  }

  function newCommand(user: number): Command {
    const userId = users[user]!;
    const dice = random.float();
    if (dice < 0.1) return { type: 'RegisterUser', handle: handles[user]!, name: 'x', passwordHash: String(dice) };
    if (dice < 0.35) return { type: 'FollowUser', followeeId: pick(users) };
    if (dice < 0.6) return { type: 'UnfollowUser', followeeId: pick(users) };
    if (dice < 0.8 || postIds.length === 0) {
      const postId = newPostId(clock, random);
      postIds.push(postId);
      return { type: 'CreatePost', postId, text: pick(['', 'a', 'b']) };
    }
    return { type: 'DeletePost', postId: pick(postIds), authorId: dice < 0.98 ? userId : pick(users) };
  }

  async function send(client: CommandClient, userId: UserId, command: Command, chosen: CommandId | undefined): Promise<Sent> {
    const length = () => lengths.get(userStreamOf(userId)) ?? 0;
    const commitsBefore = length();
    const { answer, commandId } = await client.send(userId, command, chosen === undefined ? {} : { commandId: chosen });
    const seen = { userId, commandId, clientChose: chosen !== undefined, command, commitsBefore, commitsAfter: length(), answer };
    sent.push(seen);
    return seen;
  }

  async function liveClient(name: string): Promise<void> {
    const client = createCommandClient({ ...ports, transport: network.transportOf(name) });
    for (const [user, handle] of handles.entries()) {
      if (random.float() < 0.5)
        await send(client, users[user]!, { type: 'RegisterUser', handle, name: 'x', passwordHash: name }, undefined);
    }
    for (let n = 0; n < commandsPerClient; n++) {
      const user = Math.floor(random.float() * users.length);
      const newId = () => (random.float() < 0.5 ? (`${name}-${commandCount++}` as CommandId) : undefined);
      // Some send several at once, which their actor may carry out together.
      const others = random.float() < 0.3 ? [1, 2, 3].map(() => send(client, users[user]!, newCommand(user), newId())) : [];
      const first = await send(client, users[user]!, newCommand(user), newId());
      await Promise.all(others);
      // Again with the same id: the same wish, or by mistake another one.
      const dice = random.float();
      if (dice < 0.2) await send(client, users[user]!, first.command, first.commandId);
      else if (dice < 0.25) await send(client, users[user]!, newCommand(user), first.commandId);
      await clock.sleep(random.float() * 300);
    }
  }

  const lives = nodes.map(liveNode);
  void Promise.all(Array.from({ length: clients }, (_, n) => liveClient(`client${n}`))).then(() => (lifeOver = true));
  assert(await clock.runUntil(() => lifeOver, 3_600_000), 'a client was left without an answer');

  faults.on = false;
  // What is on its way may still arrive, and nodes that are down come back.
  await Promise.race([Promise.all(lives), clock.advance(20_000)]);
  const isCertain = ({ answer }: Sent) => answer.outcome === 'accepted' || answer.outcome === 'rejected';
  const open = sent.filter((each) => !isCertain(each));
  const client = createCommandClient({ ...ports, transport: network.transportOf('last') });
  // Each node must have found its way back by itself: alone it answers everybody.
  for (const node of nodes) {
    network.sendOnlyTo(node);
    let answers: readonly Sent[] | undefined;
    void Promise.all([
      ...open.map((each) => send(client, each.userId, each.command, each.commandId)),
      ...users.map((userId, n) =>
        send(client, userId, { type: 'RegisterUser', handle: handles[n]!, name: 'x', passwordHash: 'y' }, undefined),
      ),
      ...users.map((userId) => send(client, userId, { type: 'FollowUser', followeeId: pick(users) }, undefined)),
    ]).then((all) => (answers = all));
    assert(await clock.runUntil(() => answers !== undefined, answeredWithinMs), 'without faults a command was left without an answer');
    assert(answers?.every(isCertain), 'without faults every command gets a certain answer');
  }

  await checkSafety(truth, users, sent);
  return sent;
}

import assert from 'node:assert/strict';
import type { Command } from '../../src/actors/commands.ts';
import type { EventLog } from '../../src/events/event-log.ts';
import { newPostId, parseHandle, runsStream, userIdOf, userStreamOf } from '../../src/events/ids.ts';
import type { CommandId, StreamName, UserId } from '../../src/events/ids.ts';
import { createMemoryLog } from '../../src/events/memory-log.ts';
import { seededRandom } from '../../src/random.ts';
import { shardCount } from '../../src/transport/subjects.ts';
import { createClusterNetwork } from './cluster-network.ts';
import type { DeadlineMutant } from './cluster-network.ts';
import { createNodes } from './cluster-nodes.ts';
import type { SimulatedNode } from './cluster-nodes.ts';
import { appending, appendTo, oneByOne } from './faulty-log.ts';
import type { Faults, LogMutant } from './faulty-log.ts';
import { createSimulatedClock } from './simulated-clock.ts';
import { checkSafety } from './witness.ts';
import type { Sent } from './witness.ts';

const actorNodes = 3;
const gateways = 2;
const clients = 8;
const commandsPerClient = 10;
/** Simulated time: in which views agree once the faults end, in which a dead node is replaced, and in which every command is answered then. */
const agreedWithinMs = 5_000;
const replacedWithinMs = 3_000;
const answeredWithinMs = 12_000;

export type Mutant = LogMutant | DeadlineMutant;
const isDeadlineMutant = (mutant: Mutant | undefined): mutant is DeadlineMutant => mutant === 'deadlines-of-the-sender';

/**
 * One seed: three actor nodes and two gateways, whose clocks are minutes apart, with everything that a cluster suffers: nodes crash, stand still and go
 * on, leave and join, are cut off in one direction or both, and split in two halves that both work; messages and appends are lost, late and doubled. Then the faults end: the nodes must agree,
 * one more dies, and within three seconds the others must answer everything. At the end what clients were told is checked against the log.
 * @throws when the system broke a promise.
 */
export async function simulateCluster(seed: number, mutant?: Mutant): Promise<readonly Sent[]> {
  const random = seededRandom(seed);
  const world = createSimulatedClock();
  const faults: Faults = { on: true };
  const complete = createMemoryLog({ random });
  // Actors go other ways where the log appends one commit at a time.
  const memory = seed % 2 === 0 ? complete : oneByOne(complete);
  const lengths = new Map<StreamName, number>();
  const truth = appending(memory, async (stream, expected, commits) => {
    const heads = await appendTo(memory, stream, expected, commits);
    lengths.set(stream, (lengths.get(stream) ?? 0) + commits.length);
    return heads;
  });
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random.float() * items.length)]!;
  const between = (least: number, most: number) => least + random.float() * (most - least);
  const temper = { lateCommands: pick([0, 0.03, 0.3]), lateHeartbeats: pick([0, 0.03, 0.3]) };
  /** Simulated time between two troubles of one kind. */
  const calmMs = { lives: pick([3_000, 10_000, 60_000]), lines: pick([3_000, 10_000, 60_000]), servers: pick([3_000, 10_000, 60_000]) };
  const network = createClusterNetwork({ clock: world, random, faults, temper, ...(isDeadlineMutant(mutant) && { mutant }) });
  const nodes = createNodes({ world, random, faults, truth, ...network, mutant: isDeadlineMutant(mutant) ? undefined : mutant });
  const handles = ['ann', 'bob'].map((text) => parseHandle(text)!);
  const users = handles.map((handle) => userIdOf(handle, truth.namespace));
  const sent: Sent[] = [];
  const postIds = Array.from({ length: 8 }, () => newPostId(world, random));

  type ActorNode = Awaited<ReturnType<typeof nodes.startActors>>;
  const alive = new Set<ActorNode>();

  const over = new AbortController();
  /** Until it is time for the next trouble, or troubles are over. */
  const rest = (ms: number) => world.sleep(ms, over.signal);

  async function interrupt(node: SimulatedNode): Promise<void> {
    const dice = random.float();
    if (dice < 0.4) {
      node.machine.stop();
      await rest(between(50, 6_000));
    } else if (dice < 0.9) {
      network.cut(node.machine, pick([['in'], ['out'], ['in', 'out']] as const));
      await rest(between(50, 5_000));
    } else node.machine.setWall(between(-300_000, 300_000));
    node.machine.goOn();
    network.heal(node.machine);
  }

  /** Lives until it dies, and another one takes its place; a few times it is only interrupted. */
  async function liveActors(): Promise<void> {
    for (;;) {
      const node = await nodes.startActors();
      alive.add(node);
      for (let restMs = between(0, 2 * calmMs.lives); faults.on && restMs > 0;) {
        const calm = Math.min(restMs, between(100, 2 * calmMs.lines));
        await rest(calm);
        restMs -= calm;
        if (faults.on && restMs > 0) await interrupt(node);
      }
      if (!faults.on) return;
      alive.delete(node);
      if (random.float() < 0.4) {
        await node.leave();
        network.forget(node.machine);
      } else die(node);
      await rest(between(0, 3_000));
    }
  }

  function die(node: ActorNode): void {
    node.crash();
    alive.delete(node);
    // Killed, the server sees its connection end; after a power cut it does not.
    if (random.float() < 0.5) network.forget(node.machine);
  }

  function newCommand(user: number): Command {
    const dice = random.float();
    if (dice < 0.1) return registering(user, String(dice));
    if (dice < 0.25) return { type: 'FollowUser', followeeId: pick(users) };
    if (dice < 0.4) return { type: 'UnfollowUser', followeeId: pick(users) };
    // Posts are deleted before they are there as well: then the same wish is refused now and granted later.
    if (dice < 0.7) return { type: 'CreatePost', postId: pick(postIds), text: pick(['', 'a', 'b', 'c']) };
    return { type: 'DeletePost', postId: pick(postIds), authorId: dice < 0.98 ? users[user]! : pick(users) };
  }

  const entrances = await Promise.all(Array.from({ length: gateways }, () => nodes.startGateway()));

  async function send(userId: UserId, command: Command, chosen: CommandId | undefined): Promise<Sent> {
    const length = () => lengths.get(userStreamOf(userId)) ?? 0;
    const commitsBefore = length();
    const gateway = pick(entrances);
    const { answer, commandId } = await gateway.commands.send(userId, command, chosen === undefined ? {} : { commandId: chosen });
    const seen = { userId, commandId, clientChose: chosen !== undefined, command, commitsBefore, commitsAfter: length(), answer };
    sent.push(seen);
    return seen;
  }

  async function liveClient(name: string): Promise<void> {
    for (let n = 0; n < commandsPerClient; n++) {
      const user = Math.floor(random.float() * users.length);
      const chosen = random.float() < 0.5 ? (`${name}-${n}` as CommandId) : undefined;
      const command = n === 0 ? registering(user) : newCommand(user);
      const asked = send(users[user]!, command, chosen);
      // The connection breaks, and the client repeats it at once, perhaps at another gateway; or later, for no good reason.
      const again = chosen !== undefined && random.float() < 0.2 ? send(users[user]!, command, chosen) : undefined;
      const first = await asked;
      await again;
      if (random.float() < 0.15) await send(users[user]!, first.command, first.commandId);
      await world.sleep(between(0, 500));
    }
  }

  function registering(user: number, passwordHash = 'y'): Command {
    return { type: 'RegisterUser', handle: handles[user]!, name: 'x', passwordHash };
  }

  async function troubleGateways(): Promise<void> {
    while (faults.on) {
      await rest(between(100, 2 * calmMs.lines));
      if (faults.on) await interrupt(pick(entrances));
    }
  }

  async function troubleServers(): Promise<void> {
    while (faults.on) {
      await rest(between(100, 2 * calmMs.servers));
      if (!faults.on) return;
      network.splitOff([...alive, ...entrances].filter(() => random.float() < 0.5).map(({ machine }) => machine));
      await rest(between(100, 6_000));
      network.unite();
    }
  }

  const lives = Array.from({ length: actorNodes }, liveActors);
  const trouble = [troubleGateways(), troubleServers()];
  let lifeOver = false;
  void Promise.all(Array.from({ length: clients }, (_, n) => liveClient(`client${n}`))).then(() => (lifeOver = true));
  assert(await world.runUntil(() => lifeOver, 3_600_000), 'a client was left without an answer');

  faults.on = false;
  over.abort();
  // What is late still arrives, and nodes that are down come back.
  let settled = false;
  void Promise.all([...lives, ...trouble]).then(() => (settled = true));
  assert(await world.runUntil(() => settled, 60_000), 'without faults a node does not start');
  await world.advance(12_000);
  const everybody = () => [...alive, ...entrances];
  assert(await world.runUntil(() => agree(everybody(), alive), agreedWithinMs), 'without faults the nodes do not agree on who is there');

  die(pick([...alive]));
  await world.advance(replacedWithinMs);
  assert(agree(everybody(), alive), 'a dead node was not replaced in time');

  const isCertain = ({ answer }: Sent) => answer.outcome === 'accepted' || answer.outcome === 'rejected';
  let answers: readonly Sent[] | undefined;
  void Promise.all([
    ...sent.filter((each) => !isCertain(each)).map((each) => send(each.userId, each.command, each.commandId)),
    ...users.map((userId, user) => send(userId, registering(user), undefined)),
    ...users.map((userId) => send(userId, { type: 'FollowUser', followeeId: pick(users) }, undefined)),
  ]).then((all) => (answers = all));
  assert(await world.runUntil(() => answers !== undefined, answeredWithinMs), 'without faults a command was left without an answer');
  assert(answers?.every(isCertain), 'without faults every command gets a certain answer');

  await checkSafety(truth, users, sent, network.doubled);
  await checkRuns(truth);
  return sent;
}

/** Do all see the same nodes, and the same owner of each shard, one that lives? */
function agree(nodes: readonly SimulatedNode[], serving: ReadonlySet<SimulatedNode>): boolean {
  const views = new Set(
    nodes.map(({ membership }) => {
      const owners = Array.from({ length: shardCount }, (_, shard) => membership.ownerOf(shard)?.id);
      return [
        ...membership
          .members()
          .map(({ id }) => id)
          .toSorted(),
        ...owners,
      ].join(' ');
    }),
  );
  const shares = [...serving].map(({ membership }) => membership.members()[0]!.shards.length);
  return views.size === 1 && shares.reduce((sum, share) => sum + share, 0) === shardCount;
}

/** Runs begin and end in turn, and what ends is what began. */
async function checkRuns(log: EventLog): Promise<void> {
  let open: string | undefined;
  for await (const batch of log.read(runsStream)) {
    for (const event of batch.flatMap(({ events }) => events)) {
      if (event.type === 'RunStarted') {
        assert.equal(open, undefined, 'a run began inside of another one');
        open = event.runId;
      } else if (event.type === 'RunEnded') {
        assert.equal(event.runId, open, 'a run ended that was not open');
        open = undefined;
      }
    }
  }
}

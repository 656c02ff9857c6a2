import { expect, onTestFinished, test } from 'vitest';
import type { Command } from '../../src/actors/commands.ts';
import { commandFormats, commandMessage, newestFormat } from '../../src/actors/envelope.ts';
import type { CommandFormats } from '../../src/actors/envelope.ts';
import { startActorHost } from '../../src/actors/runtime/host.ts';
import type { ActorHost } from '../../src/actors/runtime/host.ts';
import { startMembership } from '../../src/actors/runtime/membership.ts';
import { listenToMembers } from '../../src/actors/runtime/onlooker.ts';
import { createMemorySnapshots } from '../../src/actors/runtime/snapshots.ts';
import { createCommandClient } from '../../src/actors/transport-command-client.ts';
import { clocksOf } from '../../src/actors/deadline.ts';
import { systemClock } from '../../src/clock.ts';
import { eventGenerations, newestGeneration } from '../../src/events/generations.ts';
import type { EventGenerations } from '../../src/events/generations.ts';
import { newCommandId, parseHandle, userIdOf, userStreamOf } from '../../src/events/ids.ts';
import { createMemoryLog } from '../../src/events/memory-log.ts';
import { limits } from '../../src/limits.ts';
import { silentLogger } from '../../src/logger.ts';
import { createMetrics } from '../../src/metrics.ts';
import { systemRandom } from '../../src/random.ts';
import { connectNats } from '../../src/transport/nats-transport.ts';
import { commandSubject, membersSubject, shardCount, shardOf } from '../../src/transport/subjects.ts';
import { startNatsServer } from '../support/nats-server.ts';
import { eventually } from '../support/wait-for.ts';

/** What a version of Starling knows. */
interface Version {
  readonly generations: EventGenerations;
  readonly formats: CommandFormats;
}

const today: Version = { generations: eventGenerations, formats: commandFormats };

/** The version after this one: it ends follows with an event that is new, and writes commands in another way. */
function nextVersion(): Version & { written: number[] } {
  const written: number[] = [];
  const newest = newestFormat(commandFormats);
  const spied = (format: number): CommandFormats[number] => ({
    ...commandFormats[Math.min(format, newest)]!,
    write(envelopes) {
      written.push(format);
      return commandFormats[Math.min(format, newest)]!.write(envelopes);
    },
  });
  const formats = Object.fromEntries([...Object.keys(commandFormats).map(Number), newest + 1].map((format) => [format, spied(format)]));
  return { generations: { ...eventGenerations, UserUnfollowed: 2 }, formats, written };
}

async function startCluster() {
  const nats = await startNatsServer();
  onTestFinished(() => nats.remove());
  const log = createMemoryLog({ random: systemRandom });

  /** A node with its own connection; both a gateway and actors, as far as commands go. */
  async function start(id: string, { generations, formats }: Version = today, space = 's') {
    const metrics = createMetrics();
    const ports = { clock: systemClock, random: systemRandom, logger: silentLogger, metrics, space, formats, generations };
    const transport = await connectNats({ ...ports, servers: [nats.url], name: id });
    onTestFinished(() => transport.close());
    let host: ActorHost | undefined;
    const understands = { events: newestGeneration(generations), messages: newestFormat(formats) };
    const membership = await startMembership({
      ...ports,
      transport,
      node: { id, roles: ['gateway', 'actors'], startedAt: systemClock.now() },
      understands,
      describe: () => host ?? { activeActors: 0, commandsAnswered: 0 },
    });
    const actors = await startActorHost({ ...ports, transport, membership, log, snapshots: createMemorySnapshots() });
    host = actors;
    const stop = async () => {
      await actors.stop();
      await membership.stop();
    };
    onTestFinished(stop);
    return { id, transport, membership, host: actors, metrics, stop, commands: createCommandClient({ ...ports, transport, membership }) };
  }

  const userOf = (handle: string) => userIdOf(parseHandle(handle)!, log.namespace);
  const registering = (handle: string): Command => ({
    type: 'RegisterUser',
    handle: parseHandle(handle)!,
    name: handle,
    passwordHash: '$',
  });
  /** The first of many names whose user is placed there. */
  const nameOn = (node: Awaited<ReturnType<typeof start>>) =>
    Array.from({ length: 500 }, (_, n) => `u${n}`).find((name) => node.membership.owns(shardOf(userOf(name))))!;
  return { nats, log, start, userOf, registering, nameOn };
}

const everyShard = Array.from({ length: shardCount }, (_, shard) => shard);
const seen = (node: { membership: { members(): readonly { id: string }[] } }) =>
  node.membership
    .members()
    .map(({ id }) => id)
    .toSorted();

test('every command finds its owner, while nodes join and leave', { timeout: 60_000 }, async () => {
  const { log, start, userOf, registering } = await startCluster();
  const first = await start('a');
  let sent = 0;
  let going = true;
  const answers: unknown[] = [];
  const load = Promise.all(
    Array.from({ length: 8 }, async () => {
      while (going) {
        const name = `u${sent++}`;
        answers.push((await first.commands.send(userOf(name), registering(name))).answer.outcome);
      }
    }),
  );
  const second = await start('b');
  await eventually(() => second.host.commandsAnswered > 50, 'the newcomer works');
  const third = await start('c');
  await eventually(() => third.host.commandsAnswered > 50, 'the next one works');
  await second.stop();
  expect(second.host.activeActors).toBe(0);
  const before = sent;
  await eventually(() => sent > before + 100, 'the load goes on');
  going = false;
  await load;
  expect(answers.filter((outcome) => outcome !== 'accepted')).toEqual([]);
  for (let n = 0; n < sent; n++) expect(await log.head(userStreamOf(userOf(`u${n}`)))).toMatchObject({ version: 0 });
  await eventually(() => seen(first).join() === 'a,c', 'the one that left is forgotten');
  // What moved away was put away.
  expect(first.membership.members().map(({ shards }) => shards.length)).not.toContain(0);
});

test('two clusters on one NATS do not see each other', async () => {
  const { start } = await startCluster();
  const [one, other] = [await start('a', today, 'one'), await start('b', today, 'other')];
  await one.membership.settled();
  expect([seen(one), seen(other)]).toEqual([['a'], ['b']]);
});

test('a new event is written only when every node can read it, and a new format likewise', { timeout: 60_000 }, async () => {
  const { log, start, userOf, registering, nameOn } = await startCluster();
  const next = nextVersion();
  const young = await start('young', next);
  await eventually(() => young.membership.understood().events === 2, 'nobody else is there', limits.memberSilentMs * 10);
  const old = await start('old');
  const share = (node: typeof old) => everyShard.filter((shard) => node.membership.owns(shard)).length;
  await eventually(() => share(old) > 0 && share(young) > 0 && share(old) + share(young) === shardCount, 'they share the users');
  next.written.length = 0;

  const name = nameOn(young);
  const unfollow: Command = { type: 'UnfollowUser', followeeId: userOf('somebody') };
  const { commands } = young;
  expect((await commands.send(userOf(name), registering(name))).answer).toMatchObject({ outcome: 'accepted' });
  expect((await commands.send(userOf(name), { type: 'FollowUser', followeeId: userOf('somebody') })).answer).toMatchObject({
    outcome: 'accepted',
  });
  expect((await commands.send(userOf(name), unfollow)).answer).toEqual({ outcome: 'unavailable', reason: 'upgrade-in-progress' });
  expect(await log.head(userStreamOf(userOf(name)))).toMatchObject({ version: 1 });
  expect(new Set(next.written)).toEqual(new Set([newestFormat(commandFormats)]));

  await old.stop();
  await eventually(() => seen(young).length === 1, 'the old one is gone');
  await eventually(() => young.membership.understood().events === 2, 'all nodes understand the new event', limits.memberSilentMs * 10);
  expect((await commands.send(userOf(name), unfollow)).answer).toMatchObject({ outcome: 'accepted' });
  expect(await log.head(userStreamOf(userOf(name)))).toMatchObject({ version: 2 });
  expect(next.written.at(-1)).toBe(newestFormat(next.formats));
});

test('what a node does not understand is refused and counted, and the node goes on', async () => {
  const { start, userOf, registering, nameOn } = await startCluster();
  const node = await start('a');
  const stranger = nextVersion();
  const name = nameOn(node);
  const { monotonicMs, wallMs } = clocksOf(systemClock);
  const envelope = {
    userId: userOf(name),
    commandId: newCommandId(systemRandom),
    clientChose: false,
    deadline: { monotonicMs: monotonicMs + 10_000, wallMs: wallMs + 10_000 },
    command: registering(name),
  };
  const subject = commandSubject('s', 'a', shardOf(userOf(name)));
  const ask = (message: Parameters<typeof node.transport.request>[1]) => node.transport.request(subject, message, { timeoutMs: 5_000 });
  expect(await ask(commandMessage([envelope], newestFormat(stranger.formats), stranger.formats))).toMatchObject({
    body: { refusal: 'newer-format' },
  });
  expect(await ask({ type: 'Wish', format: 1, body: envelope })).toMatchObject({ body: { refusal: 'unknown-type' } });
  for (const message of [
    { type: 'Heartbeat', format: 2, body: {} },
    { type: 'Drum', format: 1, body: null },
  ]) {
    node.transport.publish(membersSubject('s'), message);
  }
  await eventually(async () => (await node.metrics.malformedMessages.get()).values[0]?.value === 2, 'both are counted');
  expect(await ask(commandMessage([envelope], 1))).toMatchObject({ type: 'Answer', body: { outcome: 'accepted' } });
  expect((await node.metrics.commands.get()).values.find(({ labels }) => labels['outcome'] === 'refused')?.value).toBe(2);
});

test('who only listens sees the nodes with their shards, and is seen by none', async () => {
  const { start } = await startCluster();
  const [first, second] = [await start('a'), await start('b')];
  await eventually(() => seen(first).length === 2, 'both are there');
  const { stop, transport } = await start('c');
  await eventually(() => seen(first).length === 3, 'all are there');
  const listening = listenToMembers({ transport, space: 's', clock: systemClock }, new AbortController().signal);
  await stop();
  const members = await listening;
  expect(members).toMatchObject([
    { id: 'a', roles: ['gateway', 'actors'], phase: 'serving', shards: everyShard.filter((shard) => first.membership.owns(shard)) },
    { id: 'b', roles: ['gateway', 'actors'], phase: 'serving', shards: everyShard.filter((shard) => second.membership.owns(shard)) },
  ]);
  expect(members.flatMap(({ shards }) => shards).length).toBe(shardCount);
  expect(seen(first)).toEqual(['a', 'b']);
});

import { createPost, expected, follow, homeTimeline, unfollow, userTimeline } from '../documents.ts';
import { median, spreadOf } from '../harness.ts';
import type { Result } from '../harness.ts';
import { figure } from '../table.ts';
import { writePopulation } from '../population.ts';
import type { Stand, System } from '../stand.ts';

interface Sized {
  readonly users: number;
  readonly system: System;
  readonly people: readonly { readonly handle: string; readonly token: string }[];
  /** Who resumes, and from where. */
  readonly resuming: readonly { readonly token: string; readonly after: string }[];
}

/** One operation: returns how many a second a system carries out. */
type Operation = (sized: Sized, round: number) => Promise<number>;

const resumedEntries = 4;
/** Users who are asked for their home timeline in search of those who resume. */
const lookedAtMax = 200;
const seed = 3;

/**
 * What an operation costs in a small network and in a large one with the same mean degree. The systems run side by side and are
 * measured in turn, so that each round compares them under the same conditions. Reads come first: posts would lengthen the pages
 * of a small network more than those of a large one.
 */
export async function measureScaling(stand: Stand): Promise<readonly Result[]> {
  const { users, rounds, roundMs, connections } = stand.sizes.scaling;
  const { warmUpMsMax } = stand.sizes;
  const systems: Sized[] = [];
  try {
    for (const count of users) systems.push(await populate(stand, count));
    const homePage = { bodies: [homeTimeline], expect: expected.homeTimeline };
    // Everybody once, so that all sessions are known: in a large network most would be looked up in PostgreSQL while they are measured, in a small one none.
    for (const { system, people } of systems) {
      stand.progress(`warm-up at ${people.length} users`);
      const warmUp = { tokens: people.map(({ token }) => token), forMs: warmUpMsMax, requestsMax: people.length };
      await stand.load({ port: system.port, connections, ...homePage, ...warmUp });
    }
    const load = (of: (sized: Sized) => { bodies: readonly string[]; expect: string }): Operation => {
      return async (sized, round) => {
        const tokens = sized.people.map((person) => person.token);
        const from = Math.floor((round * tokens.length) / (rounds + 1));
        const result = await stand.load({ port: sized.system.port, connections, tokens, ...of(sized), forMs: roundMs, from });
        return result.perSecond;
      };
    };
    const operations: readonly [string, Operation][] = [
      ['home timeline', load(() => homePage)],
      [
        'user timeline',
        load(({ people }) => ({ bodies: people.map(({ handle }) => userTimeline(handle)), expect: expected.userTimeline })),
      ],
      [
        'resume of a subscription',
        async (sized) =>
          (await stand.resumes({ port: sized.system.port, clients: sized.resuming, entries: resumedEntries, forMs: roundMs })).perSecond,
      ],
      ['follow', load(({ people }) => ({ bodies: followsAndBack(people.map(({ handle }) => handle)), expect: expected.mutation }))],
      ['post', load(() => ({ bodies: stand.texts.map(createPost), expect: expected.mutation }))],
    ];
    const results: Result[] = [];
    for (const [name, operation] of operations) {
      stand.progress(`cost at ${users.join(', ')} users: ${name}`);
      results.push(await growth(name, operation, systems, rounds));
    }
    return results;
  } finally {
    await Promise.all(systems.map(({ system }) => system.stop()));
  }
}

async function growth(name: string, operation: Operation, systems: readonly Sized[], rounds: number): Promise<Result> {
  for (const sized of systems) await operation(sized, 0);
  const costs: number[][] = systems.map(() => []);
  for (let round = 1; round <= rounds; round++) {
    const order = systems.map((_, index) => index);
    if (round % 2 === 0) order.reverse();
    for (const index of order) costs[index]!.push(1_000_000 / (await operation(systems[index]!, round)));
  }
  const ratios = costs[0]!.map((smallest, round) => costs.at(-1)![round]! / smallest);
  const perSize = systems.map(({ users }, index) => `${figure(median(costs[index]!))} µs at ${users.toLocaleString('en-US')}`);
  return {
    scenario: 'scaling',
    title: `growth of the cost: ${name}`,
    measured: spreadOf(ratios),
    unit: 'x',
    target: { kind: 'at most', value: 1.5 },
    subject: { median: median(costs.at(-1)!), unit: 'µs' },
    floor: { median: median(costs[0]!), unit: 'µs', what: `the same with ${systems[0]!.users} users` },
    notes: [`generated power-law networks; per operation ${perSize.join(', ')} users`],
  };
}

async function populate(stand: Stand, users: number): Promise<Sized> {
  const count = users.toLocaleString('en-US');
  stand.progress(`importing ${count} users`);
  const { scaling, commandsInFlight } = stand.sizes;
  const files = await writePopulation(stand.folder, users, seed);
  const system = await stand.startSystem(`users-${users}`);
  await system.call('importFiles', { ...files, inFlight: commandsInFlight });
  stand.progress(`projecting ${count} users`);
  await system.call('caughtUp', undefined);
  await system.call('vacuumed', undefined);
  const people = await system.call('openSessions', { usersMax: scaling.sessionsMax });
  const resuming = await findResuming(
    system.port,
    people.map((person) => person.token),
    scaling.connections,
  );
  return { users, system, people, resuming };
}

/**
 * Clients whose home timeline is long enough, each with a cursor that leaves exactly the entries to resume. Taken evenly from all who registered: those
 * who came first follow many times more than the mean in a large network, which would compare degrees instead of sizes.
 */
async function findResuming(port: number, tokens: readonly string[], count: number): Promise<{ token: string; after: string }[]> {
  const found: { token: string; after: string }[] = [];
  for (const token of evenly(tokens, lookedAtMax)) {
    const response = await fetch(`http://127.0.0.1:${port}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify({ query: `{ homeTimeline(first: ${resumedEntries + 1}) { edges { cursor } } }` }),
    });
    const { data } = (await response.json()) as { data: { homeTimeline: { edges: { cursor: string }[] } } };
    const after = data.homeTimeline.edges[resumedEntries]?.cursor;
    if (after !== undefined) found.push({ token, after });
  }
  if (found.length === 0) throw new Error('nobody has a home timeline long enough to resume');
  return evenly(found, count);
}

/** At most `count` of them, from the middles of as many parts of equal length. */
function evenly<T>(items: readonly T[], count: number): T[] {
  if (items.length <= count) return [...items];
  return Array.from({ length: count }, (_, part) => items[Math.floor(((part + 0.5) * items.length) / count)]!);
}

/** Everybody follows the next one, and in the next turn takes it back: the network stays as it was. */
function followsAndBack(handles: readonly string[]): readonly string[] {
  const next = handles.map((_, index) => handles[(index + 1) % handles.length]!);
  return [...next.map(follow), ...next.map(unfollow)];
}

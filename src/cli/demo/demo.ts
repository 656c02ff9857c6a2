import type { Command } from '../../actors/commands.ts';
import { newPostId, parseHandle, userIdOf, userOfStream } from '../../events/ids.ts';
import type { EventLog, RecordedCommit } from '../../events/event-log.ts';
import { createPasswords, hashPassword } from '../../gateway/passwords.ts';
import { limits } from '../../limits.ts';
import type { Logger } from '../../logger.ts';
import type { Node } from '../../node.ts';
import { seededRandom } from '../../random.ts';
import type { Random } from '../../random.ts';
import { forEachInFlight } from './in-flight.ts';
import { endings, openings, people, subjects } from './people.ts';

/** What the people of the demo live on. */
export type DemoNode = Pick<Node, 'log' | 'commands' | 'clock' | 'random'>;

export interface Demo {
  /** What to tell whoever started it. */
  readonly welcome: readonly string[];
  stop(): Promise<void>;
}

const password = 'murmuration';

/**
 * Fills an empty system with a few people who follow each other and post, and lets them go on, slowly; those of an earlier start go on as well. A system
 * whose first user is somebody else is left alone.
 */
export async function startDemo(node: DemoNode, options: { signal: AbortSignal; logger: Logger }): Promise<Demo> {
  const first = await firstUser(node.log);
  if (first !== undefined && !(await isOfDemo(first, node.log.namespace))) {
    return { welcome: ['Other people live in this system: --demo leaves it as it is.'], stop: async () => undefined };
  }
  const stopping = new AbortController();
  const signal = AbortSignal.any([options.signal, stopping.signal]);
  // At first always the same people do the same things, so that what a newcomer sees is what the README says.
  const crowd = createCrowd(node, first === undefined ? seededRandom(1) : node.random);
  try {
    // Also where an earlier start ended in the midst of it: whoever is there already stays.
    await crowd.register(await hashPassword(password), signal);
    if (first === undefined) await crowd.settle(signal);
  } catch (error) {
    if (signal.aborted) throw error;
    return { welcome: [`The people of the demo could not move in: ${String(error)}.`], stop: async () => undefined };
  }
  const living = live(node, crowd, signal, options.logger);
  const who = `${people.length} people live here${first === undefined ? ' now' : ', and go on'}.`;
  return {
    welcome: [`${who} Log in as any of them, such as "${people[0]![0]}", with the password "${password}".`],
    async stop() {
      stopping.abort();
      await living;
    },
  };
}

/** The commit with which the first user registered. */
async function firstUser(log: EventLog): Promise<RecordedCommit | undefined> {
  const tail = await log.tail();
  if (tail === undefined) return undefined;
  const stop = new AbortController();
  for await (const batch of log.subscribe('start', stop.signal)) {
    const found = batch.find((commit) => userOfStream(commit.stream) !== undefined);
    if (found !== undefined || batch.at(-1)!.commit >= tail.position.commit) return found;
  }
  return undefined;
}

/** By the password as well: real people may have these handles. */
async function isOfDemo({ stream, events: [event] }: RecordedCommit, namespace: string): Promise<boolean> {
  const isOne = people.some(([handle]) => userOfStream(stream) === userIdOf(parseHandle(handle)!, namespace));
  return isOne && event.type === 'UserRegistered' && createPasswords().verify(password, event.passwordHash);
}

type Crowd = ReturnType<typeof createCrowd>;

function createCrowd(node: DemoNode, random: Random) {
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random.float() * from.length)]!;
  // The first of the list have the most followers: a crowd is never even.
  const pickPerson = (): number => Math.floor(random.float() ** 2 * people.length);
  const idOf = (person: number) => userIdOf(parseHandle(people[person]![0])!, node.log.namespace);
  const tell = async (person: number, command: Command): Promise<void> => {
    const { outcome } = (await node.commands.send(idOf(person), command)).answer;
    if (outcome !== 'accepted' && outcome !== 'rejected') throw new Error(`a command was answered "${outcome}"`);
  };
  const post = (person: number): Promise<void> => {
    const text = `${pick(openings)} ${pick(subjects[people[person]![2]])}.${pick(endings)}`;
    return tell(person, { type: 'CreatePost', postId: newPostId(node.clock, node.random), text });
  };
  const follow = (person: number): Promise<void> => {
    const other = pickPerson();
    return other === person ? Promise.resolve() : tell(person, { type: 'FollowUser', followeeId: idOf(other) });
  };
  const unfollow = (person: number): Promise<void> => {
    const other = pickPerson();
    return other === person ? Promise.resolve() : tell(person, { type: 'UnfollowUser', followeeId: idOf(other) });
  };
  const anybody = (): number => Math.floor(random.float() * people.length);
  return {
    register: (passwordHash: string, signal: AbortSignal): Promise<void> =>
      inTurn([...people.keys()], signal, (person) =>
        tell(person, { type: 'RegisterUser', handle: parseHandle(people[person]![0])!, name: people[person]![1], passwordHash }),
      ),
    async settle(signal: AbortSignal): Promise<void> {
      await inTurn(Array.from({ length: limits.demoFollows }, anybody), signal, follow);
      await inTurn(Array.from({ length: limits.demoPosts }, pickPerson), signal, post);
    },
    act(): Promise<void> {
      const dice = random.float();
      if (dice < 0.8) return post(pickPerson());
      return dice < 0.95 ? follow(anybody()) : unfollow(anybody());
    },
  };
}

async function live(node: DemoNode, crowd: Crowd, signal: AbortSignal, logger: Logger): Promise<void> {
  for (let acts = 0; acts < limits.demoActsMax && !signal.aborted; acts++) {
    await node.clock.sleep(limits.demoActEveryMs * (0.5 + node.random.float()), signal);
    if (signal.aborted) return;
    await crowd
      .act()
      .catch((error: unknown) => logger.debug({ error: String(error) }, 'somebody of the demo could not do what they wanted'));
  }
}

function inTurn(items: readonly number[], signal: AbortSignal, work: (person: number) => Promise<void>): Promise<void> {
  return forEachInFlight(once(items), 16, signal, work);
}

async function* once<T>(items: readonly T[]): AsyncGenerator<readonly T[]> {
  yield items;
}

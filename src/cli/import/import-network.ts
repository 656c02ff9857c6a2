import type { CommandClient, Wanted } from '../../actors/command-client.ts';
import type { Answer, Command, Rejection } from '../../actors/commands.ts';
import { isStorable } from '../../actors/envelope.ts';
import { rejectionOfPostText } from '../../actors/user/post-text.ts';
import type { Clock } from '../../clock.ts';
import type { NonEmpty } from '../../events/event-log.ts';
import type { CommandId, UserId } from '../../events/ids.ts';
import { parseHandle, userIdOf } from '../../events/ids.ts';
import { limits } from '../../limits.ts';
import type { Progress } from '../control-protocol.ts';
import { JobFailed } from '../control-protocol.ts';
import { createAuthors, createCommandIds, createFingerprints, importedPostId } from './authors.ts';
import { type CheckText, type Follow, type Population, readFollows, readPopulation, readPosts } from './files.ts';
import { ImportFileError } from './lines.ts';
import { forEachInLanes } from './lanes.ts';

export interface ImportRequest {
  /** Absolute paths. */
  readonly follows: string;
  readonly posts: string | undefined;
  /** Of the one password that all of them get, or one that no password fits. */
  readonly passwordHash: string;
  readonly seed: number;
  readonly inFlight: number;
}

export interface ImportSummary {
  readonly users: number;
  readonly follows: number;
  readonly posts: number;
  /** Of all those commands, how many had been carried out before. */
  readonly knownUsers: number;
  readonly repeated: number;
  readonly elapsedMs: number;
}

export interface ImportContext {
  readonly commands: CommandClient;
  readonly namespace: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  report(progress: Progress): void;
}

/**
 * Registers everybody in the follows file as `u<number>`, lets them follow, and gives each line of the posts file to one of them; in this
 * order, through the same commands as everybody. Both files are checked to the end before the first command is sent.
 * @throws {ImportFileError} @throws {JobFailed}
 */
export async function importNetwork(request: ImportRequest, context: ImportContext): Promise<ImportSummary> {
  const { clock, signal, report, namespace } = context;
  const begun = clock.monotonicMs();
  report({ phase: 'checking the files', done: 0, total: 0, unit: 'lines' });
  const population = await readPopulation(request.follows, signal);
  const posts = request.posts === undefined ? 0 : await countPosts(request.posts, signal);
  if (posts > 0 && population.users.length === 0)
    throw new ImportFileError(request.follows, undefined, 'has no users who could be authors of the posts');

  const commandIdOf = createCommandIds(namespace);
  const ids = new Map<number, UserId>();
  const idOf = (user: number): UserId => {
    const known = ids.get(user);
    if (known !== undefined) return known;
    const id = userIdOf(parseHandle(handleOf(user))!, namespace);
    ids.set(user, id);
    return id;
  };
  /** Resolves with how many of them had been carried out before. */
  const run = async <T>(
    phase: string,
    total: number,
    items: AsyncIterable<readonly T[]>,
    userOf: (item: T) => number,
    wantedOf: (item: T) => Wanted,
  ): Promise<number> => {
    let done = 0;
    let told = 0;
    let known = 0;
    const progress = (): void => report({ phase, done: (told = done), total, unit: 'commands' });
    progress();
    const work = async ([first, ...others]: NonEmpty<T>): Promise<void> => {
      const knownOfThese = await deliver(context, idOf(userOf(first)), [wantedOf(first), ...others.map(wantedOf)]);
      known += knownOfThese;
      done += 1 + others.length;
      if (done - told >= 256) progress();
    };
    const { commandsTogetherMax: togetherMax, importAheadMax: aheadMax } = limits;
    await forEachInLanes(items, { keyOf: userOf, togetherMax, inFlightMax: request.inFlight, aheadMax, signal, work });
    progress();
    return known;
  };

  const knownUsers = await run('users', population.users.length, batchesOf(population), itself, (user) => {
    const handle = parseHandle(handleOf(user))!;
    return wanted(commandIdOf('register', handle), {
      type: 'RegisterUser',
      handle,
      name: handle,
      passwordHash: request.passwordHash,
    });
  });
  let repeated = await run('follows', population.follows, readFollows(request.follows), followerOf, ({ follower, followee }) =>
    wanted(commandIdOf('follow', handleOf(follower), handleOf(followee)), { type: 'FollowUser', followeeId: idOf(followee) }),
  );
  if (request.posts !== undefined) {
    const sketches = sketchPosts(readPosts(request.posts, checkText), population, request.seed);
    repeated += await run('posts', posts, sketches, authorOf, ({ author, fingerprint, text }) => {
      const postId = importedPostId(handleOf(author), fingerprint);
      return wanted(commandIdOf('post', postId), { type: 'CreatePost', postId, text });
    });
  }
  return {
    users: population.users.length,
    follows: population.follows,
    posts,
    knownUsers,
    repeated,
    elapsedMs: clock.monotonicMs() - begun,
  };
}

/** The handle of a number: no handle of the file is a word, so that a letter stands before it. */
export function handleOf(user: number): string {
  return `u${user}`;
}

const checkText: CheckText = (text) => {
  if (!isStorable(text)) return 'holds a NUL character, which no post can';
  const rejection = rejectionOfPostText(text);
  if (rejection === undefined) return undefined;
  return rejection === 'post-empty'
    ? 'the line is empty: every line is a post'
    : `too long for a post: at most ${limits.postGraphemesMax} characters and ${limits.postBytesMax} bytes`;
};

async function countPosts(file: string, signal: AbortSignal): Promise<number> {
  let posts = 0;
  for await (const batch of readPosts(file, checkText)) {
    signal.throwIfAborted();
    posts += batch.length;
    if (posts > limits.importPostsMax)
      throw new ImportFileError(file, undefined, `more than ${limits.importPostsMax} posts: import it in several parts`);
  }
  return posts;
}

interface PostSketch {
  readonly author: number;
  readonly fingerprint: Buffer;
  readonly text: string;
}

/** In the order of the file, since the fingerprint of a text counts how often it stood there before. */
async function* sketchPosts(
  batches: AsyncIterable<readonly string[]>,
  { users, followers }: Population,
  seed: number,
): AsyncGenerator<readonly PostSketch[]> {
  const fingerprintOf = createFingerprints();
  const placeOf = createAuthors(followers, seed);
  for await (const texts of batches) {
    yield texts.map((text) => {
      const fingerprint = fingerprintOf(text);
      return { author: users[placeOf(fingerprint)]!, fingerprint, text };
    });
  }
}

const itself = (user: number): number => user;
const followerOf = ({ follower }: Follow): number => follower;
const authorOf = ({ author }: PostSketch): number => author;

async function* batchesOf(population: Population): AsyncGenerator<readonly number[]> {
  yield population.users;
}

/** Ids that derive from the content need no note in the log of what changed nothing. */
function wanted(commandId: CommandId, command: Command): Wanted {
  return { commandId, clientChose: false, command };
}

/** Sends until the answers say what became of all; repeats with the same id are harmless. Resolves with how many had been carried out before. */
async function deliver(context: ImportContext, userId: UserId, all: NonEmpty<Wanted>): Promise<number> {
  let left: readonly Wanted[] = all;
  let known = 0;
  let last: Answer | undefined;
  for (let tries = 0; tries < limits.importTriesMax; tries++) {
    const [first, ...others] = left;
    if (first === undefined) return known;
    if (last !== undefined) {
      // A log on servers is away for seconds when one of them dies.
      await context.clock.sleep(last.outcome === 'overloaded' ? last.retryAfterMs : limits.importRetryMs, context.signal);
      context.signal.throwIfAborted();
    }
    const answers = await context.commands.sendAll(userId, [first, ...others]);
    left = left.filter(({ command }, at) => {
      const answer = answers[at]!;
      if (answer.outcome === 'accepted') known += answer.repeated ? 1 : 0;
      else if (answer.outcome !== 'rejected') return (last = answer);
      // Forgotten by the actor, days later, but there: the same as repeated.
      else if (command.type === 'RegisterUser' && answer.rejection === 'handle-taken') known++;
      else throw refused(answer.rejection);
      return false;
    });
  }
  if (left.length === 0) return known;
  if (last?.outcome === 'unavailable' && last.reason === 'log-unavailable') {
    throw new JobFailed(
      'LOG_UNAVAILABLE',
      'the event log takes no more events: is its disk full, or are most of its servers away? Cure that and import again; it goes on where it was',
    );
  }
  throw new JobFailed(
    'NO_ANSWER',
    `a command found no answer (${last?.outcome}) in ${limits.importTriesMax} tries: import again; it goes on where it was`,
  );
}

function refused(rejection: Rejection): JobFailed {
  return new JobFailed('REFUSED', `the system refused a command of the import: ${rejection}`);
}

import { limits } from '../../limits.ts';
import { ImportFileError, readLines } from './lines.ts';

// The two formats: `follower<TAB>followee` in integers below a header line, and posts, one a line.

const header = 'follower\tfollowee';
// Without leading zeros, so that a number is written in one way only, and small enough to be a number of JavaScript.
const followLine = /^(0|[1-9]\d{0,14})\t(0|[1-9]\d{0,14})$/;

export interface Follow {
  readonly follower: number;
  readonly followee: number;
}

/** In batches, in the order of the file. @throws {ImportFileError} at the first line that is not a follow. */
export async function* readFollows(file: string): AsyncGenerator<readonly Follow[]> {
  let headerSeen = false;
  for await (const { firstLine, lines } of readLines(file)) {
    const follows: Follow[] = [];
    for (const [index, line] of lines.entries()) {
      if (!headerSeen) {
        if (line !== header)
          throw new ImportFileError(file, firstLine + index, 'the first line must be the header "follower<TAB>followee"');
        headerSeen = true;
        continue;
      }
      const found = followLine.exec(line);
      if (found === null)
        throw new ImportFileError(file, firstLine + index, `two numbers with a tab between are wanted, not ${quote(line)}`);
      if (found[1] === found[2]) throw new ImportFileError(file, firstLine + index, `${found[1]} cannot follow themselves`);
      follows.push({ follower: Number(found[1]), followee: Number(found[2]) });
    }
    yield follows;
  }
  if (!headerSeen) throw new ImportFileError(file, undefined, 'is empty: the first line must be the header "follower<TAB>followee"');
}

/** Says what is wrong with the text of a post, or nothing. */
export type CheckText = (text: string) => string | undefined;

/** In batches, in the order of the file. @throws {ImportFileError} at the first line that cannot be a post. */
export async function* readPosts(file: string, check: CheckText): AsyncGenerator<readonly string[]> {
  for await (const { firstLine, lines } of readLines(file)) {
    for (const [index, line] of lines.entries()) {
      const wrong = check(line);
      if (wrong !== undefined) throw new ImportFileError(file, firstLine + index, wrong);
    }
    yield lines;
  }
}

/** What the follows file says about the users, gathered in one pass that also checks every line of it. */
export interface Population {
  /** In the order in which the file names them first. */
  readonly users: readonly number[];
  readonly follows: number;
  /** How many follow the user, by the user's place in `users`; a line that comes twice counts once more. */
  readonly followers: Uint32Array;
}

export async function readPopulation(file: string, signal: AbortSignal): Promise<Population> {
  const places = new Map<number, number>();
  const followers: number[] = [];
  let follows = 0;
  const placeOf = (user: number): number => {
    const known = places.get(user);
    if (known !== undefined) return known;
    if (places.size >= limits.importUsersMax)
      throw new ImportFileError(file, undefined, `more than ${limits.importUsersMax} users: import it in several parts`);
    places.set(user, places.size);
    return followers.push(0) - 1;
  };
  for await (const batch of readFollows(file)) {
    signal.throwIfAborted();
    for (const { follower, followee } of batch) {
      placeOf(follower);
      const place = placeOf(followee);
      followers[place] = followers[place]! + 1;
    }
    follows += batch.length;
  }
  return { users: [...places.keys()], follows, followers: Uint32Array.from(followers) };
}

function quote(line: string): string {
  return JSON.stringify(line.length > 40 ? `${line.slice(0, 40)}…` : line);
}

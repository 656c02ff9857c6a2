import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { once } from 'node:events';
import { seededRandom } from '../../src/random.ts';

/** Means of the real data: 68,328 follows and 45,000 posts of 13,688 users. */
export const followsPerUser = 5;
export const postsPerUser = 3.3;

/** Of ranks weighted by a power law, the share of the first falls with the number of users as in the real data: 5 % of all follows go to
 * the most followed of 13,688, and the busiest follows 4 % of what she could at random. */
const followeeExponent = 0.7;
const followerExponent = 0.5;

const words =
  'the sun is up over city park music with friends love this new coffee great day at home game night happy birthday best team ever'.split(
    ' ',
  );

/** A seeded network whose degrees follow a power law, with the same mean degree at any size: pairs of follower and followee, no repeats. */
export function* generateFollows(users: number, seed: number): Generator<readonly [number, number]> {
  const random = seededRandom(seed);
  const rank = (exponent: number) => Math.floor(users * random.float() ** (1 / (1 - exponent)));
  // Whoever is much followed need not be busy: the ranks of followers run the other way round.
  const follower = () => users - 1 - rank(followerExponent);
  const seen = new Set<number>();
  const total = Math.min(users * followsPerUser, Math.floor(users * (users - 1) * 0.6));
  for (let made = 0; made < total;) {
    // Everybody follows somebody, so everybody stands in the file.
    const from = made < users ? made : follower();
    const to = rank(followeeExponent);
    const pair = from * users + to;
    if (from === to || seen.has(pair)) continue;
    seen.add(pair);
    made++;
    yield [from, to];
  }
}

export function* generatePosts(users: number, seed: number): Generator<string> {
  const random = seededRandom(seed + 1);
  for (let made = 0; made < Math.round(users * postsPerUser); made++) {
    const length = 4 + Math.floor(random.float() * 16);
    yield `${Array.from({ length }, () => words[Math.floor(random.float() * words.length)]).join(' ')} #${made}`;
  }
}

/** Writes a population as files in the format of the import. */
export async function writePopulation(folder: string, users: number, seed: number): Promise<{ follows: string; posts: string }> {
  await mkdir(folder, { recursive: true });
  const paths = { follows: join(folder, `follows-${users}.tsv`), posts: join(folder, `posts-${users}.txt`) };
  await writeLines(paths.follows, followLines(users, seed));
  await writeLines(paths.posts, generatePosts(users, seed));
  return paths;
}

function* followLines(users: number, seed: number): Generator<string> {
  yield 'follower\tfollowee';
  for (const [follower, followee] of generateFollows(users, seed)) yield `${follower}\t${followee}`;
}

async function writeLines(path: string, lines: Iterable<string>): Promise<void> {
  const stream = createWriteStream(path);
  for (const line of lines) if (!stream.write(`${line}\n`)) await once(stream, 'drain');
  stream.end();
  await once(stream, 'finish');
}

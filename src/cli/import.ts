import { resolve } from 'node:path';
import { readConfig } from '../config.ts';
import { limits } from '../limits.ts';
import { serverSettings } from '../settings.ts';
import type { Arguments, CommandSpec } from './arguments.ts';
import { UsageError } from './arguments.ts';
import { doJob } from './ask-node.ts';
import type { CommandContext } from './command-line.ts';
import type { ImportSummary } from './import/import-network.ts';
import { duration } from './progress.ts';
import { wholeNumber } from './whole-number.ts';

export const spec: CommandSpec = {
  name: 'import',
  summary: 'Load a follower network, and posts for it, through the same commands as everybody.',
  options: {
    follows: { placeholder: 'FILE', needed: true, says: 'who follows whom: a header line, then follower<TAB>followee in numbers' },
    posts: { placeholder: 'FILE', says: 'posts, one a line' },
    password: {
      placeholder: 'TEXT',
      says: `one password for all of them (${limits.passwordLengthMin} characters or more); without it nobody can log in as them`,
    },
    seed: { placeholder: 'NUMBER', says: 'of the generator that draws the authors of the posts (default 1)' },
    'in-flight': {
      placeholder: 'NUMBER',
      says: `commands on their way at once, 1 to ${limits.importInFlightMax} (default ${limits.importInFlightDefault})`,
    },
  },
  settings: ['data', 'log', 'space', 'logLevel', 'label'],
  environment: serverSettings,
  notes: [
    'The files are UTF-8 text, plain or gzip. Number 1117 becomes the user u1117. Authors are drawn by their number of followers.',
    'Both files are checked to the end first: a wrong line is named and nothing is imported. An import that was interrupted goes on',
    'where it was when it is run again with the same files and seed, and nothing is doubled. Other follows, or another seed, draw other',
    'authors: posts of an earlier import come once more, from them. Works while Starling runs, and while it does not.',
  ],
};

export async function run(given: Arguments, context: CommandContext): Promise<number> {
  const { follows, posts, password } = given.text;
  if (follows === undefined) throw new UsageError('--follows FILE is needed: it says who the users are');
  const seed = wholeNumber(given, 'seed', 1, 0, 2 ** 32 - 1);
  const inFlight = wholeNumber(given, 'in-flight', limits.importInFlightDefault, 1, limits.importInFlightMax);
  const length = password === undefined ? undefined : [...password].length;
  if (length !== undefined && (length < limits.passwordLengthMin || length > limits.passwordLengthMax)) {
    throw new UsageError(`--password: ${limits.passwordLengthMin} to ${limits.passwordLengthMax} characters are wanted`);
  }
  const config = readConfig(given.flags);
  const wish = {
    follows: resolve(follows),
    seed,
    inFlight,
    ...(posts === undefined ? {} : { posts: resolve(posts) }),
    ...(password === undefined ? {} : { password }),
  };
  const summary = (await doJob(config, { job: 'import', arguments: wish }, ['actors', 'projections'], context)) as ImportSummary;
  const count = (value: number): string => value.toLocaleString('en-US');
  const { terminal } = context;
  terminal.print(
    `Imported ${count(summary.users)} users, ${count(summary.follows)} follows and ${count(summary.posts)} posts in ${duration(summary.elapsedMs / 1000)}.`,
  );
  const before = summary.knownUsers + summary.repeated;
  if (before > 0) terminal.print(`${count(before)} of them had been there before and were left as they were.`);
  return 0;
}

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Answer } from '../../../src/actors/commands.ts';
import { LogUnavailable } from '../../../src/events/event-log.ts';
import { DatabaseUnavailable } from '../../../src/projections/database.ts';
import { eventually } from '../../support/wait-for.ts';
import { startSystem } from './system.ts';
import type { System } from './system.ts';

let system: System;
let token: string;
/** What the actors answer instead of what they did; the command is carried out all the same. */
let answered: Answer | undefined;
let behind = false;
let noSessions = false;
let logAway = false;

beforeAll(async () => {
  system = await startSystem({
    commands: (real) => ({
      ...real,
      send: async (...args) => {
        const sent = await real.send(...args);
        return answered ? { ...sent, answer: answered } : sent;
      },
    }),
    caughtUp: (real) => ({ ...real, waitFor: async (...args) => !behind && real.waitFor(...args) }),
    sessions: (real) => ({
      ...real,
      open: async (userId) => {
        if (noSessions) throw new DatabaseUnavailable('the connection broke');
        return real.open(userId);
      },
    }),
    logTail: (real) => async () => {
      if (logAway) throw new LogUnavailable('the servers of the log have no leader');
      return real();
    },
  });
  ({ token } = await system.register('ada'));
});
afterAll(() => system?.stop());
beforeEach(() => {
  answered = undefined;
  behind = false;
  noSessions = false;
  logAway = false;
});

const document =
  'mutation ($input: CreatePostInput!) { createPost(input: $input) { post { text } commandId position userErrors { code } } }';
const create = (input: object) => system.ask(document, { input }, token);

describe('a command without a sure answer', () => {
  test('names the command to repeat, and the repetition tells what became of it', async () => {
    answered = { outcome: 'unknown' };
    const lost = await create({ text: 'perhaps' });
    expect(lost.data).toBeNull();
    expect(lost.errors).toMatchObject([
      {
        message: 'No answer came in time, so the outcome is unknown. Repeat it with this commandId.',
        path: ['createPost'],
        extensions: { code: 'TIMEOUT', commandId: expect.any(String) },
      },
    ]);
    answered = undefined;
    const commandId = lost.errors[0]!.extensions!.commandId;
    const { data } = await create({ text: 'perhaps', commandId });
    expect(data.createPost).toMatchObject({ post: { text: 'perhaps' }, commandId, userErrors: [] });
    const { viewer } = await system.gql(
      'query ($atLeast: Position) { viewer(atLeast: $atLeast) { postCount } }',
      { atLeast: data.createPost.position },
      token,
    );
    expect(viewer.postCount).toBe(1);
  });

  test('says when to come back', async () => {
    answered = { outcome: 'overloaded', retryAfterMs: 250 };
    expect((await create({ text: 'x', commandId: 'mine' })).errors[0]!.extensions).toEqual({
      code: 'OVERLOADED',
      retryAfterMs: 250,
      commandId: 'mine',
    });
    for (const reason of ['log-unavailable', 'stopping', 'deadline-passed'] as const) {
      answered = { outcome: 'unavailable', reason };
      expect((await create({ text: 'x', commandId: 'mine' })).errors).toMatchObject([
        {
          message: 'Nothing can be written at the moment, and nothing was. Try again.',
          extensions: { code: 'OVERLOADED', retryAfterMs: 1_000, commandId: 'mine' },
        },
      ]);
    }
  });
});

describe('a read model that is behind', () => {
  test('turns no success into a failure', async () => {
    behind = true;
    const answer = await create({ text: 'done all the same' });
    expect(answer.data).toEqual({
      createPost: { post: null, commandId: expect.any(String), position: expect.any(String), userErrors: [] },
    });
    expect(answer.errors).toMatchObject([{ path: ['createPost', 'post'], extensions: { code: 'NOT_CAUGHT_UP' } }]);
    expect(answer.status).toBe(200);
  });

  test('turns no success into a failure, also where the first answer to an account that was opened was lost within the system', async () => {
    behind = true;
    answered = { outcome: 'accepted', position: (await system.services.logTail())!, repeated: true };
    const { data, errors } = await system.ask(
      'mutation { register(input: { handle: "unheard", password: "correct horse" }) { token user { handle } position userErrors { code } } }',
    );
    expect(data).toEqual({
      register: { token: expect.stringMatching(/^st_/), user: null, position: expect.any(String), userErrors: [] },
    });
    expect(errors).toMatchObject([{ path: ['register', 'user'], extensions: { code: 'NOT_CAUGHT_UP' } }]);
  });

  test('says of nobody that they do not exist', async () => {
    behind = true;
    const answer = await system.ask('mutation { follow(input: { handle: "somebody" }) { position userErrors { code } } }', {}, token);
    expect(answer.errors).toMatchObject([{ path: ['follow'], extensions: { code: 'NOT_CAUGHT_UP' } }]);
  });

  test('holds nobody up who logs in', async () => {
    behind = true;
    const { login } = await system.gql(
      'mutation { login(input: { handle: "ada", password: "correct horse" }) { token userErrors { code } } }',
    );
    expect(login).toEqual({ token: expect.stringMatching(/^st_/), userErrors: [] });
  });
});

// What the read model does not show may be in the log: whether it is, has to be asked there.
test.each([
  'deletePost(input: { id: "01928374-1234-7abc-8def-0123456789ab" }) { position }',
  'follow(input: { handle: "somebody" }) { position }',
  'login(input: { handle: "ada", password: "correct horse" }) { token }',
])('a log that is away is told as something that passes: %s', async (mutation) => {
  logAway = true;
  const { data, errors } = await system.ask(`mutation { it: ${mutation} }`, {}, token);
  expect({ data, errors }).toMatchObject({
    data: null,
    errors: [
      {
        message: 'The event log cannot be reached at the moment. Try again.',
        path: ['it'],
        extensions: { code: 'OVERLOADED', retryAfterMs: 1_000 },
      },
    ],
  });
});

describe('a session that cannot be stored', () => {
  const registering =
    'mutation ($input: RegisterInput!) { register(input: $input) { token expiresAt user { handle } position userErrors { code } } }';
  const failed = (path: string[]) => ({
    message: 'The read models cannot be reached at the moment. Try again.',
    path,
    extensions: { code: 'OVERLOADED', retryAfterMs: 1_000 },
  });

  test('leaves the account opened; the same command again gives a session', async () => {
    noSessions = true;
    const input = { handle: 'unlucky', password: 'correct horse', commandId: 'register once' };
    const first = await system.ask(registering, { input });
    expect(first.data).toEqual({
      register: { token: null, expiresAt: null, user: { handle: 'unlucky' }, position: expect.any(String), userErrors: [] },
    });
    expect(first.errors).toMatchObject([failed(['register', 'token']), failed(['register', 'expiresAt'])]);

    noSessions = false;
    const { register: again } = await system.gql(registering, { input });
    expect(again).toMatchObject({ position: first.data.register.position, user: { handle: 'unlucky' }, userErrors: [] });
    const { viewer } = await system.gql('{ viewer { handle } }', {}, again.token);
    expect(viewer).toEqual({ handle: 'unlucky' });
  });

  test('is an error of a log-in, on its path', async () => {
    noSessions = true;
    const loggingIn =
      'mutation { login(input: { handle: "ada", password: "correct horse" }) { token user { handle } userErrors { code } } }';
    const answer = await system.ask(loggingIn);
    expect(answer.data).toEqual({ login: { token: null, user: { handle: 'ada' }, userErrors: [] } });
    expect(answer.errors).toMatchObject([failed(['login', 'token'])]);
  });
});

test('a PostgreSQL that dies is a clear error, and nothing acknowledged is lost when it is back', async () => {
  const texts: string[] = [];
  const read = () => system.ask('query { homeTimeline(first: 100) { edges { node { text } } } }', {}, token);
  await read();
  process.kill(system.postgres.server.pid()!, 'SIGKILL');
  const seen = new Set<string>();
  let number = 0;
  await eventually(
    async () => {
      const answer = await read();
      for (const error of answer.errors) seen.add(`${error.extensions?.code}: ${error.message}`);
      const posted = await system.ask(
        'mutation ($text: String!) { createPost(input: { text: $text }) { position } }',
        { text: `in trouble ${++number}` },
        token,
      );
      if (posted.data?.createPost) texts.push(`in trouble ${number}`);
      return seen.size > 0 && answer.errors.length === 0;
    },
    'pages again after an error',
    30_000,
  );
  for (const error of seen) expect(error).toBe('OVERLOADED: The read models cannot be reached at the moment. Try again.');
  expect(texts.length).toBeGreaterThan(0);
  await eventually(
    async () => {
      const { data } = await read();
      const shown: string[] = data?.homeTimeline.edges.map((edge: { node: { text: string } }) => edge.node.text) ?? [];
      return texts.every((text) => shown.filter((other) => other === text).length === 1);
    },
    'every acknowledged post once',
    20_000,
  );
});

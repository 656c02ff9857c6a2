import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseTrustedProxies } from '../../../src/gateway/client-address.ts';
import { apiError } from '../../../src/gateway/errors.ts';
import { createGateway } from '../../../src/gateway/gateway.ts';
import { createSchema } from '../../../src/gateway/schema.ts';
import { limits } from '../../../src/limits.ts';
import { gqlAnswer } from '../../support/graphql-client.ts';
import { startSystem } from './system.ts';
import type { System } from './system.ts';

let system: System;
beforeAll(async () => (system = await startSystem()));
afterAll(() => system?.stop());

const registerDocument =
  'mutation ($input: RegisterInput!) { register(input: $input) { token expiresAt user { handle name } position userErrors { code message field } } }';
const loginDocument =
  'mutation ($input: LoginInput!) { login(input: $input) { token user { handle } position userErrors { code message field } } }';
const register = async (input: object) => (await system.gql(registerDocument, { input })).register;

describe('register', () => {
  test('opens an account and a session', async () => {
    const payload = await register({ handle: 'Ada_1815', password: 'correct horse', name: ' Ada Lovelace ' });
    expect(payload).toEqual({
      token: expect.stringMatching(/^st_[A-Za-z0-9_-]{43}$/),
      expiresAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      user: { handle: 'ada_1815', name: 'Ada Lovelace' },
      position: expect.any(String),
      userErrors: [],
    });
    const { viewer } = await system.gql('{ viewer { handle postCount followerCount followingCount bio } }', {}, payload.token);
    expect(viewer).toEqual({ handle: 'ada_1815', postCount: 0, followerCount: 0, followingCount: 0, bio: '' });
  });

  test('names who has no name by the handle', async () => {
    expect((await register({ handle: 'nameless', password: 'correct horse' })).user).toEqual({ handle: 'nameless', name: 'nameless' });
    expect((await register({ handle: 'blank', password: 'correct horse', name: '  ' })).user.name).toBe('blank');
  });

  test.each([
    [
      'a handle that is taken, in any case',
      { handle: 'ADA_1815', password: 'correct horse' },
      'handle-taken',
      'This handle is taken.',
      'handle',
    ],
    [
      'the Kelvin sign',
      { handle: '\u212Aelvin', password: 'correct horse' },
      'handle-invalid',
      'A handle has 1 to 30 of the letters a to z, digits and underscores.',
      'handle',
    ],
    [
      'the long s',
      { handle: '\u017Fam', password: 'correct horse' },
      'handle-invalid',
      'A handle has 1 to 30 of the letters a to z, digits and underscores.',
      'handle',
    ],
    [
      'a Cyrillic look-alike',
      { handle: '\u0430da', password: 'correct horse' },
      'handle-invalid',
      'A handle has 1 to 30 of the letters a to z, digits and underscores.',
      'handle',
    ],
    [
      'an empty handle',
      { handle: '', password: 'correct horse' },
      'handle-invalid',
      'A handle has 1 to 30 of the letters a to z, digits and underscores.',
      'handle',
    ],
    [
      'a handle of 31',
      { handle: 'a'.repeat(31), password: 'correct horse' },
      'handle-invalid',
      'A handle has 1 to 30 of the letters a to z, digits and underscores.',
      'handle',
    ],
    [
      'a handle with NUL',
      { handle: 'ada\0', password: 'correct horse' },
      'handle-invalid',
      'A handle has 1 to 30 of the letters a to z, digits and underscores.',
      'handle',
    ],
    [
      'a password of 7',
      { handle: 'shorty', password: '1234567' },
      'password-too-short',
      'A password has at least 8 characters.',
      'password',
    ],
  ])('refuses %s', async (_, input, code, message, field) => {
    expect(await register(input)).toEqual({
      token: null,
      expiresAt: null,
      user: null,
      position: null,
      userErrors: [{ code, message, field: ['input', field] }],
    });
  });

  test.each([
    ['a password of 257', { handle: 'longy', password: 'x'.repeat(257) }, 'A password has at most 256 characters.'],
    ['a name of 51', { handle: 'longy', password: 'correct horse', name: 'x'.repeat(51) }, 'A name has at most 50 characters.'],
    [
      'a name with half a surrogate pair',
      { handle: 'longy', password: 'correct horse', name: '\ud83d' },
      '"name" holds a character that no text can hold: NUL, or half of a surrogate pair.',
    ],
    [
      'a command id of 101',
      { handle: 'longy', password: 'correct horse', commandId: 'x'.repeat(101) },
      'A commandId has 1 to 100 printable characters.',
    ],
    [
      'an empty command id',
      { handle: 'longy', password: 'correct horse', commandId: '' },
      'A commandId has 1 to 100 printable characters.',
    ],
  ])('refuses %s', async (_, input, message) => {
    const answer = await system.ask(registerDocument, { input });
    expect(answer.errors.map((error) => [error.extensions?.code, error.message])).toEqual([['BAD_USER_INPUT', message]]);
    expect((await system.gql('{ user(handle: "longy") { id } }')).user).toBeNull();
  });

  test('repeated gives a session only if the password fits', async () => {
    const input = { handle: 'grace', password: 'correct horse', commandId: 'once' };
    const first = await register(input);
    const again = await register(input);
    expect(again.position).toBe(first.position);
    expect(again.token).toMatch(/^st_/);
    expect(again.token).not.toBe(first.token);
    const stranger = await register({ ...input, password: 'another horse' });
    expect(stranger).toMatchObject({
      token: null,
      user: null,
      position: null,
      userErrors: [{ code: 'handle-taken', field: ['input', 'handle'] }],
    });
    const renamed = await register({ ...input, name: 'Somebody else' });
    expect(renamed).toMatchObject({ token: null, userErrors: [{ code: 'command-id-reused', field: ['input', 'commandId'] }] });
  });
});

describe('login', () => {
  test('opens a session whatever the case of the handle', async () => {
    await system.register('linus');
    const { login } = await system.gql(loginDocument, { input: { handle: 'LINUS', password: 'correct horse' } });
    expect(login).toEqual({
      token: expect.stringMatching(/^st_/),
      user: { handle: 'linus' },
      position: expect.any(String),
      userErrors: [],
    });
  });

  test('does not tell a wrong password from a handle that does not exist', async () => {
    const wrong = {
      token: null,
      user: null,
      position: null,
      userErrors: [{ code: 'wrong-credentials', message: 'Handle or password are wrong.', field: null }],
    };
    for (const input of [
      { handle: 'linus', password: 'wrong horse' },
      { handle: 'nobody_at_all', password: 'wrong horse' },
      { handle: 'not a handle', password: 'wrong horse' },
      { handle: 'linus', password: 'x'.repeat(10_000) },
      { handle: 'linus', password: '' },
    ]) {
      expect((await system.gql(loginDocument, { input })).login).toEqual(wrong);
    }
  });

  test('is refused after ten wrong passwords, also with the right one, and counts no right ones', async () => {
    await system.register('target');
    const input = { handle: 'target', password: 'correct horse' };
    for (let time = 0; time < 12; time++) expect((await system.gql(loginDocument, { input })).login.token).toMatch(/^st_/);
    const wrong = { ...input, password: 'wrong horse' };
    for (let time = 0; time < 10; time++)
      expect((await system.gql(loginDocument, { input: wrong })).login.userErrors[0].code).toBe('wrong-credentials');
    const refused = await system.ask(loginDocument, { input });
    expect(refused.errors).toEqual([
      {
        message: 'Too many attempts. Try again later.',
        locations: [{ line: 1, column: 34 }],
        path: ['login'],
        extensions: { code: 'RATE_LIMITED', retryAfterMs: expect.any(Number) },
      },
    ]);
    const { retryAfterMs } = refused.errors[0]!.extensions as { retryAfterMs: number };
    expect(retryAfterMs).toBeGreaterThan(800_000);
    expect(retryAfterMs).toBeLessThanOrEqual(900_000);
    const rows = await system.database.query<{ key: Buffer }>({ text: 'select key from starling.log_in_attempts' });
    expect(rows.every(({ key }) => key.length === 32)).toBe(true);
  });
});

test('guessing a password by repeating how an account was opened is bounded as logging in is', async () => {
  const input = { handle: 'guessed', password: 'correct horse', commandId: 'import:register:guessed' };
  for (let time = 0; time < limits.logInAttemptsPerHandleMax + 2; time++) expect((await register(input)).token).toMatch(/^st_/);
  const guess = { ...input, password: 'wrong horse' };
  for (let time = 0; time < limits.logInAttemptsPerHandleMax; time++)
    expect((await register(guess)).userErrors).toMatchObject([{ code: 'handle-taken' }]);
  for (const [document, asked] of [
    [registerDocument, input],
    [loginDocument, { handle: 'guessed', password: 'correct horse' }],
  ] as const)
    expect((await system.ask(document, { input: asked })).errors).toMatchObject([{ extensions: { code: 'RATE_LIMITED' } }]);
});

test('a log-in whose password nobody had time to look at is not counted', async () => {
  await system.register('patient');
  let busy = true;
  const { passwords } = system.services;
  const verify: typeof passwords.verify = (...what) =>
    busy ? Promise.reject(apiError('OVERLOADED', 'Too many are logging in at the moment. Try again.')) : passwords.verify(...what);
  const services = { ...system.services, passwords: { ...passwords, verify } };
  const gateway = await createGateway(services, { schema: createSchema(), ready: async () => ({ ready: true, details: {} }) });
  const { url } = await gateway.listen({ host: '127.0.0.1', port: 0 });
  const logIn = (password: string) => gqlAnswer(url, loginDocument, { input: { handle: 'patient', password } });
  busy = false;
  for (let time = 1; time < limits.logInAttemptsPerHandleMax; time++) await logIn('wrong horse');
  busy = true;
  for (let time = 0; time < 3; time++)
    expect((await logIn('correct horse')).errors).toMatchObject([{ extensions: { code: 'OVERLOADED' } }]);
  busy = false;
  expect((await logIn('wrong horse')).data.login.userErrors).toMatchObject([{ code: 'wrong-credentials' }]);
  expect((await logIn('correct horse')).errors).toMatchObject([{ extensions: { code: 'RATE_LIMITED' } }]);
  await gateway.close();
});

describe('behind a proxy', () => {
  const attempt = async (handle: string, headers: Record<string, string>) => {
    const body = JSON.stringify({ query: loginDocument, variables: { input: { handle, password: 'wrong horse' } } });
    const answer = await system.post(body, { 'content-type': 'application/json', ...headers });
    return (answer.body as { errors?: { extensions: { code: string } }[] }).errors?.[0]?.extensions.code ?? 'answered';
  };

  test('whom nobody trusts, a header changes nothing', async () => {
    for (let time = 0; time < 10; time++) expect(await attempt('proxied', { 'x-forwarded-for': `198.51.100.${time}` })).toBe('answered');
    expect(await attempt('proxied', { 'x-forwarded-for': '203.0.113.77' })).toBe('RATE_LIMITED');
  });

  test('that is trusted, clients are counted, not the proxy and not what they write', async () => {
    const gateway = await createGateway(system.services, {
      schema: createSchema(),
      ready: async () => ({ ready: true, details: {} }),
      trustedProxies: parseTrustedProxies(['127.0.0.1']),
    });
    const { url } = await gateway.listen({ host: '127.0.0.1', port: 0 });
    const through = async (forwarded: string) => {
      const response = await fetch(`${url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-forwarded-for': forwarded },
        body: JSON.stringify({ query: loginDocument, variables: { input: { handle: 'behind_it', password: 'wrong horse' } } }),
      });
      const { errors } = (await response.json()) as { errors?: { extensions: { code: string } }[] };
      return errors?.[0]?.extensions.code ?? 'answered';
    };
    for (let time = 0; time < 10; time++) expect(await through(`198.51.100.${time}, 192.0.2.1`)).toBe('answered');
    expect(await through('198.51.100.99, 192.0.2.1')).toBe('RATE_LIMITED');
    expect(await through('192.0.2.2')).toBe('answered');
    await gateway.close();
  });
});

describe('a session', () => {
  test('ends with logout, at once', async () => {
    const { token } = await system.register('leaver');
    const other = (await system.gql(loginDocument, { input: { handle: 'leaver', password: 'correct horse' } })).login.token;
    expect((await system.gql('{ viewer { handle } }', {}, token)).viewer.handle).toBe('leaver');
    expect((await system.gql('mutation { logout { userErrors { code } } }', {}, token)).logout).toEqual({ userErrors: [] });
    const after = await system.ask('{ viewer { handle } }', {}, token);
    expect(after).toEqual({
      status: 401,
      data: null,
      errors: [
        { message: 'This session has ended, or the token is not one of ours. Log in again.', extensions: { code: 'UNAUTHENTICATED' } },
      ],
      extensions: {},
    });
    expect((await system.gql('{ viewer { handle } }', {}, other)).viewer.handle).toBe('leaver');
  });

  test("that has ended stands in nobody's way who opens a new one", async () => {
    const { token } = await system.register('returner');
    await system.gql('mutation { logout { userErrors { code } } }', {}, token);
    const { login } = await system.gql(loginDocument, { input: { handle: 'returner', password: 'correct horse' } }, token);
    expect(login.token).toMatch(/^st_/);
    for (const query of [
      'mutation { login(input: { handle: "returner", password: "correct horse" }) { token } logout { userErrors { code } } }',
      'mutation { ...a } fragment a on Mutation { login(input: { handle: "returner", password: "correct horse" }) { token } }',
      '{ publicTimeline { edges { cursor } } }',
    ]) {
      expect(await system.ask(query, {}, token)).toMatchObject({
        status: 401,
        data: null,
        errors: [{ extensions: { code: 'UNAUTHENTICATED' } }],
      });
    }
  });

  test('that ends in a batch is over for what follows', async () => {
    const { token } = await system.register('batch_leaver');
    const batch = ['{ viewer { handle } }', 'mutation { logout { userErrors { code } } }', '{ viewer { handle } }'].map((query) => ({
      query,
    }));
    const { body } = await system.post(JSON.stringify(batch), { 'content-type': 'application/json', authorization: `Bearer ${token}` });
    expect(body).toMatchObject([
      { data: { viewer: { handle: 'batch_leaver' } } },
      { data: { logout: { userErrors: [] } } },
      { errors: [{ extensions: { code: 'UNAUTHENTICATED' } }] },
    ]);
  });

  test('is not opened by an altered, expired or made-up token', async () => {
    const { token } = await system.register('careful');
    const last = token.at(-1) === 'A' ? 'E' : 'A';
    for (const made of [
      token.slice(0, -1) + last,
      token.slice(0, -1),
      `${token}A`,
      'st_',
      'x',
      'null',
      "' or 1=1 --",
      `${token} ${token}`,
    ]) {
      expect((await system.ask('{ viewer { handle } }', {}, made)).errors.map((error) => error.extensions?.code)).toEqual([
        'UNAUTHENTICATED',
      ]);
    }
    await system.database.query({
      text: 'update starling.sessions set expires_at = 1 where token_hash = sha256($1::bytea)',
      values: [Buffer.from(token)],
    });
    expect((await system.ask('{ viewer { handle } }', {}, token)).status).toBe(401);
    const [stored] = await system.database.query<{ found: string }>({
      text: `select count(*) as found from starling.sessions s where s::text like '%' || $1 || '%'`,
      values: [token.slice(3)],
    });
    expect(stored?.found).toBe('0');
  });

  test('of a user that is gone opens nothing', async () => {
    const { token } = await system.services.sessions.open('00000000-0000-5000-8000-000000000000' as never);
    for (const query of [
      '{ viewer { id } }',
      '{ homeTimeline { edges { cursor } } }',
      'mutation { createPost(input: { text: "x" }) { position } }',
    ]) {
      const { errors } = await system.ask(query, {}, token);
      expect(errors.map((error) => error.extensions?.code)).toEqual(['UNAUTHENTICATED']);
    }
  });
});

describe('posting', () => {
  const createDocument =
    'mutation ($input: CreatePostInput!) { createPost(input: $input) { post { id text author { handle postCount } } commandId position userErrors { code message field } } }';
  const deleteDocument =
    'mutation ($input: DeletePostInput!) { deletePost(input: $input) { deletedId commandId position userErrors { code field } } }';
  let token: string;
  beforeAll(async () => ({ token } = await system.register('poster')));
  const create = async (input: object) => (await system.gql(createDocument, { input }, token)).createPost;

  test('answers with the post, its author already counted', async () => {
    const payload = await create({ text: 'Hello, wörld! 👩‍👩‍👧' });
    expect(payload).toMatchObject({ post: { text: 'Hello, wörld! 👩‍👩‍👧', author: { handle: 'poster', postCount: 1 } }, userErrors: [] });
    expect(payload.position).toEqual(expect.any(String));
  });

  test('again with the same command id answers the same and posts nothing', async () => {
    const first = await create({ text: 'once', commandId: 'post-1' });
    const again = await create({ text: 'once', commandId: 'post-1' });
    expect(again).toEqual(first);
    expect((await create({ text: 'twice', commandId: 'post-1' })).userErrors).toEqual([
      { code: 'command-id-reused', message: 'This command id was used for something else.', field: ['input', 'commandId'] },
    ]);
    const { user } = await system.gql('{ user(handle: "poster") { postCount } }');
    expect(user.postCount).toBe(2);
  });

  test.each([
    ['nothing', '', 'post-empty'],
    ['blanks', ' \n\t ', 'post-empty'],
    ['501 graphemes', '👩‍👩‍👧'.repeat(501), 'post-too-long'],
    ['a letter under ten thousand accents', `a${'\u0301'.repeat(10_000)}`, 'post-too-long'],
  ])('refuses %s', async (_, text, code) => {
    expect(await create({ text })).toMatchObject({ post: null, position: null, userErrors: [{ code, field: ['input', 'text'] }] });
  });

  test('takes 500 graphemes as they are', async () => {
    const text = `${'é'.repeat(499)}👍🏽`;
    expect((await create({ text })).post.text).toBe(text);
  });

  test('refuses NUL and half a surrogate pair', async () => {
    for (const text of ['a\0b', 'a\ud800b']) {
      const { errors, data } = await system.ask(createDocument, { input: { text } }, token);
      expect(data).toBeNull();
      expect(errors[0]).toMatchObject({ path: ['createPost'], extensions: { code: 'BAD_USER_INPUT' } });
    }
  });

  test('refuses a megabyte before it is read', async () => {
    const answer = await system.ask(createDocument, { input: { text: 'x'.repeat(1_000_000) } }, token);
    expect(answer).toEqual({
      status: 413,
      data: null,
      extensions: {},
      errors: [{ message: 'A request has at most 131072 bytes.', extensions: { code: 'BAD_USER_INPUT' } }],
    });
  });

  test('answers a post, and not one that does not exist', async () => {
    const parent = await system.createPost(token, 'parent');
    expect((await create({ text: 'child', inReplyTo: parent.id })).userErrors).toEqual([]);
    for (const inReplyTo of ['01912d68-783e-7a03-8467-5661c1243ad4', 'nonsense']) {
      expect((await create({ text: 'orphan', inReplyTo })).userErrors).toMatchObject([
        { code: 'post-not-found', field: ['input', 'inReplyTo'] },
      ]);
    }
  });

  test('an answer again with the same command id answers the same, also when the post that it answered is gone', async () => {
    const other = await system.register('short_of_words');
    const parent = await system.createPost(other.token, 'soon gone');
    const answer = { text: 'well said', inReplyTo: parent.id, commandId: 'answer-1' };
    const first = await create(answer);
    const { deletePost } = await system.gql(deleteDocument, { input: { id: parent.id } }, other.token);
    const find = 'query ($id: ID!, $atLeast: Position) { post(id: $id, atLeast: $atLeast) { id } }';
    expect((await system.gql(find, { id: parent.id, atLeast: deletePost.position })).post).toBeNull();
    expect(await create(answer)).toEqual(first);
    expect((await create({ ...answer, text: 'what?' })).userErrors).toMatchObject([{ code: 'command-id-reused' }]);
    expect(await create({ ...answer, commandId: 'answer-2' })).toMatchObject({
      post: null,
      position: null,
      userErrors: [{ code: 'post-not-found', field: ['input', 'inReplyTo'] }],
    });
  });

  test('can be undone, more than once, and by nobody else', async () => {
    const post = await system.createPost(token, 'short-lived');
    const other = await system.register('bystander');
    const remove = async (id: string, by: string) => (await system.gql(deleteDocument, { input: { id } }, by)).deletePost;
    expect((await remove(post.id, other.token)).userErrors).toEqual([{ code: 'not-the-author', field: ['input', 'id'] }]);
    const removed = await remove(post.id, token);
    expect(removed).toMatchObject({ deletedId: post.id, userErrors: [] });
    const gone = await system.gql('query ($id: ID!, $atLeast: Position) { post(id: $id, atLeast: $atLeast) { id } }', {
      id: post.id,
      atLeast: removed.position,
    });
    expect(gone.post).toBeNull();
    expect(await remove(post.id, token)).toMatchObject({ deletedId: post.id, userErrors: [] });
    expect((await remove(post.id, other.token)).userErrors).toEqual([{ code: 'post-not-found', field: ['input', 'id'] }]);
    expect((await remove('nonsense', token)).userErrors).toEqual([{ code: 'post-not-found', field: ['input', 'id'] }]);
  });

  test('is for who is signed in', async () => {
    const { errors, status, data } = await system.ask(createDocument, { input: { text: 'anonymous' } });
    expect({ status, data, errors }).toEqual({
      status: 200,
      data: null,
      errors: [
        {
          message: 'Sign in first: send the header "Authorization: Bearer TOKEN".',
          path: ['createPost'],
          locations: [{ line: 1, column: 39 }],
          extensions: { code: 'UNAUTHENTICATED' },
        },
      ],
    });
  });
});

describe('following', () => {
  const document = (field: string) =>
    `mutation ($handle: String!) { ${field}(input: { handle: $handle }) { user { handle followerCount viewerFollows } viewer { handle followingCount followsViewer } position userErrors { code field } } }`;

  test('counts on both sides in its own payload, and undoes them', async () => {
    const fan = await system.register('fan');
    await system.register('star');
    const { follow } = await system.gql(document('follow'), { handle: 'STAR' }, fan.token);
    const followed = {
      user: { handle: 'star', followerCount: 1, viewerFollows: true },
      viewer: { handle: 'fan', followingCount: 1, followsViewer: false },
    };
    expect(follow).toEqual({ ...followed, position: expect.any(String), userErrors: [] });
    const again = (await system.gql(document('follow'), { handle: 'star' }, fan.token)).follow;
    expect(again).toEqual({ ...followed, position: follow.position, userErrors: [] });
    const { unfollow } = await system.gql(document('unfollow'), { handle: 'star' }, fan.token);
    expect(unfollow.user).toEqual({ handle: 'star', followerCount: 0, viewerFollows: false });
  });

  test('refuses oneself, nobody, and what is no handle', async () => {
    const { token } = await system.register('loner');
    for (const [handle, code] of [
      ['loner', 'cannot-follow-self'],
      ['nobody_at_all', 'user-not-found'],
      ['\u212Aelvin', 'user-not-found'],
      ['', 'user-not-found'],
    ] as const) {
      const { follow } = await system.gql(document('follow'), { handle }, token);
      expect(follow).toEqual({ user: null, viewer: null, position: null, userErrors: [{ code, field: ['input', 'handle'] }] });
    }
  });

  test('several in one document, each seeing its own outcome', async () => {
    const { token } = await system.register('busy');
    const both = `mutation { a: follow(input: { handle: "star" }) { viewer { followingCount } } b: follow(input: { handle: "fan" }) { viewer { followingCount } } }`;
    expect(await system.gql(both, {}, token)).toEqual({ a: { viewer: { followingCount: 1 } }, b: { viewer: { followingCount: 2 } } });
  });

  test('several in one document are carried out in order, also when the document is compiled', async () => {
    const { token } = await system.register('wavering');
    const threeSteps = `mutation {
      a: follow(input: { handle: "star" }) { viewer { followingCount } user { viewerFollows } }
      b: unfollow(input: { handle: "star" }) { viewer { followingCount } user { viewerFollows } }
      c: follow(input: { handle: "wavering" }) { viewer { followingCount } userErrors { code } } }`;
    for (let time = 0; time < 5; time++) {
      expect(await system.gql(threeSteps, {}, token)).toEqual({
        a: { viewer: { followingCount: 1 }, user: { viewerFollows: true } },
        b: { viewer: { followingCount: 0 }, user: { viewerFollows: false } },
        c: { viewer: null, userErrors: [{ code: 'cannot-follow-self' }] },
      });
    }
  });
});

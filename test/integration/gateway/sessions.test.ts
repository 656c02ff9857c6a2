import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import type { Clock } from '../../../src/clock.ts';
import type { UserId } from '../../../src/events/ids.ts';
import { createPostgresAttemptLimits } from '../../../src/gateway/attempt-limits-postgres.ts';
import { createPostgresSessions } from '../../../src/gateway/sessions-postgres.ts';
import type { SignedIn } from '../../../src/gateway/sessions.ts';
import { limits } from '../../../src/limits.ts';
import { silentLogger } from '../../../src/logger.ts';
import type { Database } from '../../../src/projections/database.ts';
import { migrate } from '../../../src/projections/migrate.ts';
import { openDatabase } from '../../../src/projections/postgres-database.ts';
import { systemRandom } from '../../../src/random.ts';
import { startTestPostgres } from '../../support/postgres.ts';
import type { TestPostgres } from '../../support/postgres.ts';
import { eventually } from '../../support/wait-for.ts';

const userId = '5f0f3a52-7c7e-5d7a-9a5b-0f3a1c2d4e5f' as UserId;
const ports = { clock: systemClock, random: systemRandom, logger: silentLogger };

let postgres: TestPostgres;
let databases: Database[];
let statements: string[];
beforeAll(async () => (postgres = await startTestPostgres()));
afterAll(() => postgres?.stop());
beforeEach(async () => {
  const { database, target } = await postgres.createDatabase({ poolSize: 4 });
  await migrate(database);
  databases = [database, await openDatabase(target, { logger: silentLogger, poolSize: 4 })];
  statements = [];
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((sessions) => sessions.close()));
  await databases[1]?.close();
});

const lookUps = () => statements.filter((name) => name === 'find-session').length;

const opened: ReturnType<typeof createPostgresSessions>[] = [];
function openSessions(on: Database, clock: Clock = systemClock) {
  const counted: Database = {
    ...on,
    query: (statement) => {
      statements.push(statement.name ?? statement.text);
      return on.query(statement);
    },
  };
  const sessions = createPostgresSessions({ ...ports, clock, database: counted });
  opened.push(sessions);
  return sessions;
}

/** Until finding the token costs no statement: the feed is fresh, and the session remembered. */
async function remembered(sessions: ReturnType<typeof createPostgresSessions>, token: string) {
  await eventually(async () => {
    const before = lookUps();
    return (await sessions.find(token)) !== null && lookUps() === before;
  }, 'a token that is found without a look-up');
}

/** Watches for the end of a session, and waits until it was looked at once: from here on only news tell of its end, or their being cut. */
async function watch(sessions: ReturnType<typeof createPostgresSessions>, session: SignedIn, onEnd: () => void) {
  const from = statements.length;
  const stop = sessions.onEnd(session, onEnd);
  await eventually(() => {
    const check = statements.indexOf('check-sessions', from);
    return check >= 0 && statements.includes('session-beat', check);
  }, 'a beat after the look at the watched sessions');
  return stop;
}

/** Ends sessions behind the back of the feeds, and cuts the connection on which the news of it would have come. */
async function cutNews(...ended: readonly SignedIn[]) {
  const database = databases[0]!;
  const hashes = ended.map(({ sessionId }) => Buffer.from(sessionId, 'base64url'));
  await database.query({ text: 'delete from starling.sessions where token_hash = any($1)', values: [hashes] });
  const cut = await database.query({ text: `select pg_terminate_backend(pid) from pg_stat_activity where query like 'listen %'` });
  expect(cut).toHaveLength(1);
}

/** A database whose first look-up of a session has found its row, and answers when it is let go. */
function holdFirstLookUp(database: Database) {
  let release: () => void = () => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  let asked = false;
  const slow: Database = {
    ...database,
    query: async <Row extends object>(statement: Parameters<Database['query']>[0]) => {
      const rows = await database.query<Row>(statement);
      if (statement.name === 'find-session' && !asked) {
        asked = true;
        await held;
      }
      return rows;
    },
  };
  return { slow, release, onItsWay: () => asked };
}

describe('sessions on several gateways', () => {
  test('are found on each, and mostly without a statement', async () => {
    const [here, there] = [openSessions(databases[0]!), openSessions(databases[1]!)];
    const { token, session } = await here.open(userId);
    expect(await there.find(token)).toEqual(session);
    expect(session.expiresAt - Date.now()).toBeGreaterThan(limits.sessionMs - 60_000);
    await remembered(there, token);
    expect(await there.find(token)).toEqual(session);
  });

  test('have tokens that nobody can guess', async () => {
    const sessions = openSessions(databases[0]!);
    const tokens = await Promise.all(Array.from({ length: 50 }, async () => (await sessions.open(userId)).token));
    expect(new Set(tokens.map((token) => token.slice(0, 12))).size).toBe(50);
    for (const token of tokens) expect(Buffer.from(token.slice('st_'.length), 'base64url').length).toBeGreaterThanOrEqual(32);
  });

  test('end on all of them within a second', async () => {
    const [here, there] = [openSessions(databases[0]!), openSessions(databases[1]!)];
    for (let round = 0; round < 5; round++) {
      const { token, session } = await here.open(userId);
      await remembered(there, token);
      const closed = new Promise<void>((resolve) => void there.onEnd(session, resolve));
      const begin = performance.now();
      await here.end(session.sessionId);
      await closed;
      expect(await there.find(token)).toBeNull();
      expect(await here.find(token)).toBeNull();
      expect(performance.now() - begin).toBeLessThan(1_000);
    }
  });

  test('are looked up again when the news are interrupted, so that an end is not missed', async () => {
    const [here, there] = [openSessions(databases[0]!), openSessions(databases[1]!)];
    const kept = await here.open(userId);
    const ended = await here.open(userId);
    await remembered(there, kept.token);
    await remembered(there, ended.token);
    const calls: string[] = [];
    await watch(there, kept.session, () => calls.push('kept'));
    await watch(there, ended.session, () => calls.push('ended'));
    await cutNews(ended.session);
    await eventually(() => calls.length > 0, 'the end of the session is found out');
    expect(calls).toEqual(['ended']);
    expect(await there.find(ended.token)).toBeNull();
    expect(await there.find(kept.token)).toEqual(kept.session);
  });

  test('that end while they are looked up are not remembered', async () => {
    const { slow, onItsWay, release } = holdFirstLookUp(databases[1]!);
    const [here, there] = [openSessions(databases[0]!), openSessions(slow)];
    const other = await here.open(userId);
    const stopWatching = there.onEnd(other.session, () => undefined);
    const { token, session } = await here.open(userId);
    const finding = there.find(token);
    await eventually(onItsWay, 'the row is on its way');
    await here.end(session.sessionId);
    // Whatever was sent before another end has come when that other end is known.
    const known = new Promise<void>((resolve) => void there.onEnd(other.session, resolve));
    await here.end(other.session.sessionId);
    await known;
    release();
    await finding;
    expect(await there.find(token)).toBeNull();
    stopWatching();
  });

  test('that end, unheard, while they are looked up are not remembered either', async () => {
    const { slow, onItsWay, release } = holdFirstLookUp(databases[1]!);
    const [here, there] = [openSessions(databases[0]!), openSessions(slow)];
    const [watched, ended] = [await here.open(userId), await here.open(userId)];
    let noticed = false;
    await watch(there, watched.session, () => (noticed = true));
    const finding = there.find(ended.token);
    await eventually(onItsWay, 'the row is on its way');
    await cutNews(watched.session, ended.session);
    await eventually(() => noticed, 'the end of the watched session is found out');
    release();
    await finding;
    expect(await there.find(ended.token)).toBeNull();
  });

  test('end by themselves when their time is over, also for who watches', async () => {
    let ahead = 0;
    const clock: Clock = { ...systemClock, now: () => systemClock.now() + ahead };
    const sessions = openSessions(databases[0]!, clock);
    const { token, session } = await sessions.open(userId);
    const ended = new Promise<void>((resolve) => void sessions.onEnd(session, resolve));
    expect(await sessions.find(token)).not.toBeNull();
    ahead = limits.sessionMs + 1;
    expect(await sessions.find(token)).toBeNull();
    await ended;
  });

  test('that ended before they are watched are told at once', async () => {
    const [here, there] = [openSessions(databases[0]!), openSessions(databases[1]!)];
    const { session } = await here.open(userId);
    await here.end(session.sessionId);
    await new Promise<void>((resolve) => void there.onEnd(session, resolve));
  });

  test('stop calling who no longer watches', async () => {
    const sessions = openSessions(databases[0]!);
    const { session } = await sessions.open(userId);
    const calls: string[] = [];
    sessions.onEnd(session, () => calls.push('left'))();
    const leave = sessions.onEnd(session, () => calls.push('left later'));
    sessions.onEnd(session, () => calls.push('stayed'));
    leave();
    await sessions.end(session.sessionId);
    expect(calls).toEqual(['stayed']);
  });

  test('are not found for what is no token, without a statement', async () => {
    const sessions = openSessions(databases[0]!);
    for (const token of ['', 'st_', `st_${'A'.repeat(42)}`, `st_${'A'.repeat(44)}`, `xx_${'A'.repeat(43)}`, `st_${'é'.repeat(43)}`]) {
      expect(await sessions.find(token)).toBeNull();
    }
    expect(lookUps()).toBe(0);
  });
});

describe('attempts', () => {
  const attempts = (on: Database, clock: Clock = systemClock) =>
    createPostgresAttemptLimits({ database: on, clock, namespace: 'a namespace' });
  const refused = { allowed: false, retryAfterMs: expect.any(Number) };

  test('are counted over all gateways', async () => {
    const [here, there] = [attempts(databases[0]!), attempts(databases[1]!)];
    for (let time = 0; time < limits.logInAttemptsPerHandleMax; time++) {
      expect(await (time % 2 === 0 ? here : there).logIn('ada', '192.0.2.1')).toEqual({ allowed: true });
    }
    expect(await here.logIn('ada', '192.0.2.1')).toEqual(refused);
    expect(await there.logIn('ada', '::ffff:192.0.2.1')).toEqual(refused);
    expect(await there.logIn('ada', '192.0.2.2')).toEqual({ allowed: true });
    expect(await there.logIn('bea', '192.0.2.1')).toEqual({ allowed: true });
  });

  test('at once are counted each', async () => {
    const both = [attempts(databases[0]!), attempts(databases[1]!)];
    const outcomes = await Promise.all(Array.from({ length: 40 }, (_, index) => both[index % 2]!.logIn('ada', '192.0.2.1')));
    expect(outcomes.filter(({ allowed }) => allowed)).toHaveLength(limits.logInAttemptsPerHandleMax);
  });

  test('of one address cannot lock anybody out elsewhere', async () => {
    const here = attempts(databases[0]!);
    for (let time = 0; time < 3 * limits.logInAttemptsPerHandleAnywhereMax; time++) await here.logIn('ada', '192.0.2.66');
    expect(await here.logIn('ada', '192.0.2.1')).toEqual({ allowed: true });
  });

  test('of one address at many handles end too', async () => {
    const here = attempts(databases[0]!);
    const outcomes: boolean[] = [];
    for (let number = 0; number <= limits.logInAttemptsPerAddressMax; number++)
      outcomes.push((await here.logIn(`user${number}`, '2001:db8::1')).allowed);
    expect(outcomes.indexOf(false)).toBe(limits.logInAttemptsPerAddressMax);
    expect(await here.logIn('another', '2001:db8::2')).toEqual(refused);
  });

  test('that are refused write nothing, whatever new handles they try', async () => {
    const here = attempts(databases[0]!);
    for (let number = 0; number < limits.logInAttemptsPerAddressMax; number++) await here.logIn(`user${number}`, '192.0.2.1');
    const rows = () =>
      databases[0]!.query<{ key: Buffer; count: number }>({ text: 'select key, count from starling.log_in_attempts order by key' });
    const before = await rows();
    for (let number = 0; number < 50; number++) expect(await here.logIn(`other${number}`, '192.0.2.1')).toEqual(refused);
    expect(await rows()).toEqual(before);
  });

  test('that succeed are taken back', async () => {
    const here = attempts(databases[0]!);
    for (let time = 0; time < 3 * limits.logInAttemptsPerAddressMax; time++) {
      expect(await here.logIn('ada', '192.0.2.1')).toEqual({ allowed: true });
      await here.loggedIn('ada', '192.0.2.1');
    }
  });

  test('may be made again when their window is over', async () => {
    let ahead = 0;
    const here = attempts(databases[0]!, { ...systemClock, now: () => systemClock.now() + ahead });
    for (let time = 0; time <= limits.logInAttemptsPerHandleMax; time++) await here.logIn('ada', '192.0.2.1');
    const late = await here.logIn('ada', '192.0.2.1');
    ahead = late.allowed ? 0 : late.retryAfterMs;
    expect(await here.logIn('ada', '192.0.2.1')).toEqual({ allowed: true });
  });

  test('leave no handle and no address behind', async () => {
    await attempts(databases[0]!).logIn('ada_lovelace', '192.0.2.1');
    const rows = await databases[0]!.query<{ row: string }>({
      text: `select convert_from(key, 'LATIN1') || attempts::text as row from starling.log_in_attempts attempts`,
    });
    expect(rows).toHaveLength(3);
    for (const { row } of rows) expect(row).not.toMatch(/ada|192/);
  });
});

import { createHash } from 'node:crypto';
import { isIPv6 } from 'node:net';
import type { Clock } from '../clock.ts';
import { limits } from '../limits.ts';
import type { Database, Session } from '../projections/database.ts';
import type { Attempt, AttemptLimits } from './attempt-limits.ts';

interface Counter {
  readonly key: Buffer;
  readonly max: number;
}

/**
 * Counters in the table `starling.log_in_attempts`, each for a window that begins with its first attempt. A log-in is counted for (handle, address), for
 * the address, and for the handle from anywhere, in this order, and only as far as it is allowed: so that one address can use up a handle for itself but
 * not for its owner elsewhere, who is locked out only by ten and more addresses at once. A right password takes back what it counted.
 * `namespace`: of user ids; it keeps the hashes of one system from being looked up in those of another.
 */
export function createPostgresAttemptLimits(ports: { database: Database; clock: Clock; namespace: string }): AttemptLimits {
  const { database, clock } = ports;
  const keyOf = (...parts: string[]) =>
    createHash('sha256')
      .update([ports.namespace, ...parts].join('\n'))
      .digest();
  const ofHandle = (handle: string, address: string): Counter => ({
    key: keyOf('handle at address', handle, networkOf(address)),
    max: limits.logInAttemptsPerHandleMax,
  });
  const ofAddress = (address: string): Counter => ({ key: keyOf('address', networkOf(address)), max: limits.logInAttemptsPerAddressMax });
  const ofHandleAnywhere = (handle: string): Counter => ({ key: keyOf('handle', handle), max: limits.logInAttemptsPerHandleAnywhereMax });

  return {
    logIn: (handle, address) => count([ofHandle(handle, address), ofAddress(address), ofHandleAnywhere(handle)]),

    async loggedIn(handle, address) {
      await lenient(async (session) => {
        await session.query({
          name: 'forget-attempts',
          text: 'delete from starling.log_in_attempts where key = $1',
          values: [ofHandle(handle, address).key],
        });
        for (const counter of [ofAddress(address), ofHandleAnywhere(handle)]) await takeBackOne(session, counter);
      });
    },

    async notTried(handle, address) {
      await lenient(async (session) => {
        for (const counter of [ofHandle(handle, address), ofAddress(address), ofHandleAnywhere(handle)])
          await takeBackOne(session, counter);
      });
    },

    register: (address) => count([{ key: keyOf('register', networkOf(address)), max: limits.registrationsPerAddressMax }]),
  };

  /**
   * Counts on until a counter is full; where one was full before, nothing is written, so that whoever is refused leaves no rows for ever new handles.
   * Rows are taken in the order of their kinds, so that no two log-ins wait for each other.
   */
  async function count(counters: readonly Counter[]): Promise<Attempt> {
    const refused = await findFull(counters);
    if (refused !== undefined) return refused;
    return lenient(async (session) => {
      for (const counter of counters) {
        const attempt = await countOne(session, counter, clock.now());
        if (!attempt.allowed) return attempt;
      }
      return { allowed: true };
    });
  }

  async function findFull(counters: readonly Counter[]): Promise<Attempt | undefined> {
    const now = clock.now();
    const rows = await database.query<{ window_start: string }>({
      name: 'find-full-attempts',
      text: `select window_start from starling.log_in_attempts attempts join unnest($1::bytea[], $2::integer[]) as counters (key, max) using (key)
        where attempts.count >= counters.max and attempts.window_start > $3 order by window_start desc limit 1`,
      values: [counters.map(({ key }) => key), counters.map(({ max }) => max), now - limits.logInWindowMs],
    });
    return rows[0] && refusal(rows[0].window_start, now);
  }

  /** Whoever asks must not wait for a disk: attempts lost in a crash of the database are few. */
  function lenient<T>(work: (session: Session) => Promise<T>): Promise<T> {
    return database.transaction({ synchronousCommit: false }, work);
  }
}

async function countOne(session: Session, { key, max }: Counter, now: number): Promise<Attempt> {
  const [row] = await session.query<{ window_start: string; count: number }>({
    name: 'count-attempt',
    text: `insert into starling.log_in_attempts as attempts (key, window_start, count) values ($1, $2, 1)
      on conflict (key) do update set
        count = case when attempts.window_start <= $3 then 1 else attempts.count + 1 end,
        window_start = case when attempts.window_start <= $3 then excluded.window_start else attempts.window_start end
      returning window_start, count`,
    values: [key, now, now - limits.logInWindowMs],
  });
  if (row!.count <= max) return { allowed: true };
  return refusal(row!.window_start, now);
}

async function takeBackOne(session: Session, { key }: Counter): Promise<void> {
  const text = 'update starling.log_in_attempts set count = greatest(count - 1, 0) where key = $1';
  await session.query({ name: 'take-back-attempt', text, values: [key] });
}

function refusal(windowStart: string, now: number): Attempt {
  return { allowed: false, retryAfterMs: Math.max(1, Number(windowStart) + limits.logInWindowMs - now) };
}

/** An IPv6 client owns a whole /64, and may take another address of it for each attempt. */
export function networkOf(address: string): string {
  const plain = address.replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i, '');
  if (!isIPv6(plain)) return plain;
  const [head = '', tail] = plain.split('%', 1)[0]!.split('::');
  const groups = head === '' ? [] : head.split(':');
  const missing = tail === undefined ? 0 : 8 - groups.length - (tail === '' ? 0 : tail.split(':').length);
  const full = [...groups, ...Array<string>(missing).fill('0'), ...(tail ? tail.split(':') : [])];
  return `${full
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`;
}

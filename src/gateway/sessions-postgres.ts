import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../clock.ts';
import type { UserId } from '../events/ids.ts';
import { limits } from '../limits.ts';
import type { Logger } from '../logger.ts';
import type { Database } from '../projections/database.ts';
import type { Random } from '../random.ts';
import { endedMessage, startSessionFeed } from './session-feed.ts';
import type { Sessions, SignedIn } from './sessions.ts';

interface Lookup {
  readonly found: Promise<SignedIn | null>;
  /** The session ended while its row was on the way here. */
  ended: boolean;
}

const tokenPattern = /^st_[A-Za-z0-9_-]{43}$/;

/** Sessions in the table `starling.sessions`. Good tokens are remembered as long as the feed of ended sessions is fresh, so that most requests cost no statement. */
export function createPostgresSessions(ports: {
  database: Database;
  clock: Clock;
  random: Random;
  logger: Logger;
}): Sessions & { close(): Promise<void> } {
  const { database, clock, random, logger } = ports;
  const remembered = new LRUCache<string, SignedIn>({ max: limits.sessionsRememberedMax });
  const lookups = new Map<string, Lookup>();
  const watches = new Map<string, Set<Watch>>();
  let unsure = false;
  let lastUsedMs = clock.monotonicMs();
  const closing = new AbortController();

  const feed = startSessionFeed(ports, {
    isNeeded() {
      if (remembered.size > 0 && clock.monotonicMs() - lastUsedMs > limits.sessionsRememberedMs) remembered.clear();
      return remembered.size > 0 || watches.size > 0;
    },
    ended: forget,
    missed() {
      remembered.clear();
      for (const lookup of lookups.values()) lookup.ended = true;
      unsure = true;
    },
    async beat() {
      endExpired();
      if (unsure) await checkWatched();
    },
  });
  const cleaning = cleanUp();

  return {
    async open(userId) {
      const token = `st_${Buffer.from(random.bytes(32)).toString('base64url')}`;
      const now = clock.now();
      const session = { userId, sessionId: sessionIdOf(token), expiresAt: now + limits.sessionMs };
      await database.query({
        name: 'open-session',
        text: 'insert into starling.sessions (token_hash, user_id, created_at, expires_at) values ($1, $2, $3, $4)',
        values: [hashOf(session.sessionId), userId, now, session.expiresAt],
      });
      return { token, session };
    },

    async find(token) {
      if (!tokenPattern.test(token)) return null;
      const sessionId = sessionIdOf(token);
      lastUsedMs = clock.monotonicMs();
      const known = feed.isFresh() ? remembered.get(sessionId) : undefined;
      const session = known ?? (await lookUp(sessionId));
      return session !== null && session.expiresAt > clock.now() ? session : null;
    },

    async end(sessionId) {
      const { channel, payload } = endedMessage(sessionId);
      await database.query({
        name: 'end-session',
        text: 'with ended as (delete from starling.sessions where token_hash = $1) select pg_notify($2, $3)',
        values: [hashOf(sessionId), channel, payload],
      });
      forget(sessionId);
    },

    onEnd(session, callback) {
      const watch = { session, callback };
      const watching = watches.get(session.sessionId) ?? new Set();
      watches.set(session.sessionId, watching.add(watch));
      // It may have ended since it was found; looked at with the next beat, for all new ones in one statement.
      unsure = true;
      feed.wake();
      return () => {
        watching.delete(watch);
        if (watching.size === 0 && watches.get(session.sessionId) === watching) watches.delete(session.sessionId);
      };
    },

    async close() {
      closing.abort();
      await Promise.all([feed.close(), cleaning]);
    },
  };

  function lookUp(sessionId: string): Promise<SignedIn | null> {
    const running = lookups.get(sessionId);
    if (running && !running.ended) return running.found;
    const lookup: Lookup = { ended: false, found: select(sessionId).then((session) => remember(lookup, session)) };
    lookups.set(sessionId, lookup);
    const done = () => {
      if (lookups.get(sessionId) === lookup) lookups.delete(sessionId);
    };
    lookup.found.then(done, done);
    return lookup.found;
  }

  async function select(sessionId: string): Promise<SignedIn | null> {
    const rows = await database.query<{ user_id: UserId; expires_at: string }>({
      name: 'find-session',
      text: 'select user_id, expires_at from starling.sessions where token_hash = $1',
      values: [hashOf(sessionId)],
    });
    return rows[0] ? { userId: rows[0].user_id, sessionId, expiresAt: Number(rows[0].expires_at) } : null;
  }

  function remember(lookup: Lookup, session: SignedIn | null): SignedIn | null {
    // A row read before the end of its session says nothing about now; answering from it once is within the promised second, remembering it is not.
    if (session !== null && !lookup.ended) {
      remembered.set(session.sessionId, session);
      feed.wake();
    }
    return session;
  }

  function forget(sessionId: string): void {
    remembered.delete(sessionId);
    const lookup = lookups.get(sessionId);
    if (lookup) lookup.ended = true;
    const watching = watches.get(sessionId);
    watches.delete(sessionId);
    for (const { callback } of watching ?? []) callback();
  }

  function endExpired(): void {
    const now = clock.now();
    for (const [sessionId, watching] of watches) {
      const [first] = watching;
      if (first !== undefined && first.session.expiresAt <= now) forget(sessionId);
    }
  }

  async function checkWatched(): Promise<void> {
    unsure = false;
    const watched = [...watches.keys()];
    if (watched.length === 0) return;
    try {
      const rows = await database.query<{ token_hash: Buffer }>({
        name: 'check-sessions',
        text: 'select token_hash from starling.sessions where token_hash = any($1::bytea[])',
        values: [watched.map((sessionId) => hashOf(sessionId))],
      });
      const alive = new Set(rows.map((row) => row.token_hash.toString('base64url')));
      for (const sessionId of watched) if (!alive.has(sessionId)) forget(sessionId);
    } catch (cause) {
      unsure = true;
      throw cause;
    }
  }

  async function cleanUp(): Promise<void> {
    while (!closing.signal.aborted) {
      try {
        await database.query({ text: 'delete from starling.sessions where expires_at <= $1', values: [clock.now()] });
        const windowEnd = clock.now() - limits.logInWindowMs;
        await database.query({ text: 'delete from starling.log_in_attempts where window_start <= $1', values: [windowEnd] });
      } catch (cause) {
        logger.warn(
          { error: cause instanceof Error ? cause.message : String(cause) },
          'sessions and attempts that are over could not be deleted',
        );
      }
      await clock.sleep(limits.sessionCleanUpMs, closing.signal);
    }
  }
}

interface Watch {
  readonly session: SignedIn;
  readonly callback: () => void;
}

function sessionIdOf(token: string): string {
  return createHash('sha256').update(token).digest('base64url');
}

function hashOf(sessionId: string): Buffer {
  return Buffer.from(sessionId, 'base64url');
}

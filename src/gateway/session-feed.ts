import type { Clock } from '../clock.ts';
import { limits } from '../limits.ts';
import type { Logger } from '../logger.ts';
import type { Database } from '../projections/database.ts';
import type { Random } from '../random.ts';

// News of ended sessions, over LISTEN/NOTIFY. Asleep while nobody needs it; then listening, and beating: a beat is a notification to oneself. PostgreSQL
// delivers notifications in the order of their commits, so a beat that came back proves that all news from before it was sent have come too. When the
// connection breaks, or beats stay out, news may have been missed, and whoever remembers sessions forgets them.

const channel = 'starling_sessions';

export interface SessionFeed {
  /** Is it certain that no session ended more than `limits.sessionNewsAgeMaxMs` ago without our knowing? */
  isFresh(): boolean;
  /** Somebody needs news: begin, if asleep. */
  wake(): void;
  close(): Promise<void>;
}

interface FeedUser {
  isNeeded(): boolean;
  ended(sessionId: string): void;
  /** News may have been missed. */
  missed(): void;
  /** Called with each beat. */
  beat(): Promise<void>;
}

/** What to run in the database to tell all gateways that a session has ended: in the statement that ends it. */
export function endedMessage(sessionId: string): { readonly channel: string; readonly payload: string } {
  return { channel, payload: `ended ${sessionId}` };
}

export function startSessionFeed(ports: { database: Database; clock: Clock; random: Random; logger: Logger }, user: FeedUser): SessionFeed {
  const { database, clock, logger } = ports;
  const self = Buffer.from(ports.random.bytes(9)).toString('base64url');
  const closing = new AbortController();
  const sentAt = new Map<number, number>();
  let beats = 0;
  let newsAt = Number.NEGATIVE_INFINITY;
  let failing = false;
  let stopListening: (() => Promise<void>) | undefined;
  let wakeUp: () => void = () => undefined;

  const running = run();
  return {
    isFresh: () => clock.monotonicMs() - newsAt < limits.sessionNewsAgeMaxMs,
    wake: () => wakeUp(),
    async close() {
      closing.abort();
      wakeUp();
      await running;
      await stopListening?.();
    },
  };

  async function run(): Promise<void> {
    while (!closing.signal.aborted) {
      if (!user.isNeeded()) {
        await new Promise<void>((resolve) => (wakeUp = resolve));
        continue;
      }
      try {
        if (isOverdue()) lose(new Error('beats do not come back'));
        stopListening ??= await listen();
        await beat();
        await user.beat();
        failing = false;
      } catch (cause) {
        if (!failing)
          logger.warn(
            { error: cause instanceof Error ? cause.message : String(cause) },
            'news of ended sessions do not come: every token is looked up until they do',
          );
        failing = true;
      }
      await clock.sleep(limits.sessionHeartbeatMs, closing.signal);
    }
  }

  async function listen(): Promise<() => Promise<void>> {
    let isLost = false;
    const stop = await database.listen(channel, hear, (cause) => {
      isLost = true;
      lose(cause);
    });
    if (isLost) throw new Error('the connection that listens was lost at once');
    // Whatever was remembered before we listened has not been watched.
    user.missed();
    return stop;
  }

  async function beat(): Promise<void> {
    beats += 1;
    sentAt.set(beats, clock.monotonicMs());
    await database.query({ name: 'session-beat', text: 'select pg_notify($1, $2)', values: [channel, `beat ${self} ${beats}`] });
  }

  function hear(payload: string): void {
    const [kind, about, number] = payload.split(' ');
    if (kind === 'ended' && about !== undefined) return user.ended(about);
    if (kind !== 'beat' || about !== self) return;
    const heard = Number(number);
    newsAt = sentAt.get(heard) ?? newsAt;
    for (const sent of sentAt.keys()) if (sent <= heard) sentAt.delete(sent);
  }

  function isOverdue(): boolean {
    const [oldest] = sentAt.values();
    return oldest !== undefined && clock.monotonicMs() - oldest > limits.sessionFeedTimeoutMs;
  }

  function lose(cause: unknown): void {
    logger.warn({ error: cause instanceof Error ? cause.message : String(cause) }, 'news of ended sessions were interrupted');
    newsAt = Number.NEGATIVE_INFINITY;
    sentAt.clear();
    stopListening?.().catch(() => undefined);
    stopListening = undefined;
    user.missed();
  }
}

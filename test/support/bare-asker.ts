import { connect, headers } from 'nats';
import { natsStreamOf, subjectOf } from '../../src/events/jetstream-message.ts';
import type { StreamName } from '../../src/events/ids.ts';
import { neverLast } from '../../src/events/jetstream-append.ts';
import { eventually } from './wait-for.ts';

/** Asks the leader of the log by nothing but the client of NATS, one message after the other: what the servers by themselves make everybody wait. */
export interface BareAsker {
  /** Name of the server that leads the log. */
  leader(): Promise<string>;
  /** Resolves when every server has all of the log: one that was started again and is still behind counts as one more that is dead. */
  inSync(): Promise<unknown>;
  /** The longest that one message waited for its answer since the last call, in milliseconds. */
  longestWaitMs(): number;
  stop(): Promise<void>;
}

/**
 * What it publishes is refused by whoever leads the log, and leaves nothing there. Not a stream of its own: each elects its leader by itself, some time between
 * four and nine seconds after the last one died, so that one stream says little of what another makes its clients wait.
 */
export async function startBareAsker(servers: readonly string[], space: string): Promise<BareAsker> {
  const connection = await connect({ servers: [...servers], maxReconnectAttempts: -1, reconnectTimeWait: 100 });
  const manager = await connection.jetstreamManager();
  const fence = headers();
  fence.set('Nats-Expected-Last-Subject-Sequence', String(neverLast));
  const subject = subjectOf(space, 'nobody' as StreamName);
  let stopping = false;
  let longest = 0;
  let since = performance.now();

  /** A short time-out, so that what is measured is the gap and not the patience. */
  async function isRefused(): Promise<boolean> {
    const answer = await connection.request(subject, new Uint8Array(), { headers: fence, timeout: 250 }).catch(() => undefined);
    if (answer === undefined) return false;
    const { error } = answer.json() as { error?: { err_code?: number } };
    if (error === undefined) throw new Error('the log took what it had to refuse');
    return error.err_code === 10_071;
  }

  async function ask(): Promise<void> {
    while (!stopping) {
      since = performance.now();
      while (!stopping && !(await isRefused())) await pause(10);
      longest = Math.max(longest, performance.now() - since);
      await pause(20);
    }
  }
  const asking = ask();
  // Whoever stops it is told.
  asking.catch(() => undefined);
  return {
    leader: () =>
      eventually(async () => (await manager.streams.info(natsStreamOf(space))).cluster?.leader, 'the log has a leader', 60_000, 500),
    inSync: () =>
      eventually(
        async () => (await manager.streams.info(natsStreamOf(space))).cluster?.replicas?.every(({ current }) => current),
        'the log is in sync',
        60_000,
        100,
      ),
    longestWaitMs() {
      const worst = Math.max(longest, performance.now() - since);
      longest = 0;
      return worst;
    },
    async stop() {
      stopping = true;
      await asking.finally(() => connection.close());
    },
  };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, ms));
}

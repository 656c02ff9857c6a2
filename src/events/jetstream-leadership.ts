import type { Clock } from '../clock.ts';
import { limits } from '../limits.ts';
import type { Logger } from '../logger.ts';
import { LogUnavailable } from './event-log.ts';
import type { StreamInfo } from './jetstream-api.ts';

// WHO MAY SAY WHERE A STREAM ENDS. A leader that was cut off believes in itself for up to 20 s (`lostQuorumInterval` and its check, raft.go of nats-server
// 2.10), and would answer from the past. A write proves its leadership, but every write stays in the log for ever. So the leader is asked whom it has heard
// from, which STREAM.INFO tells: nanoseconds since the last word of each replica. Two cases, since followers grant a vote to any candidate, also while they
// hear their leader:
//   all replicas were heard lately: each of them took an entry or a heartbeat then and will not stand for election before `minElectionTimeout` (4 s) has
//     passed; so nobody else can lead until that long after the oldest of these words. Until then (less a margin for clocks and delays) nobody is asked again.
//   one is silent: it may be dead, or standing for election where the leader cannot hear it. Then a majority must have been heard from *after* the call
//     began: whoever spoke to this leader in its term had voted for no other until then, so nothing that this leader does not know was acknowledged before
//     the call. Heartbeats come once a second, and with every append.
// Assumed: the election time-out of the server is as compiled, clocks run at the same pace, and a word of a replica is under way for less than `wordMs`.
// A leader that steps down by order or transfer knows it at once and no longer answers.
const electionTimeoutMs = 4_000;
const marginMs = 1_000;
const wordMs = 50;

export interface Leadership {
  /** How many copies there are, as far as is known; an operator may change it at any time. */
  readonly replicas: number;
  /** Until when, on the monotonic clock, what the leader says from now on is the present. @throws {LogUnavailable} when nobody can tell. */
  confirm(): Promise<number>;
}

/** `info`: asks the leader; `replicas`: as they were found. */
export function createLeadership(options: { info: () => Promise<StreamInfo>; replicas: number; clock: Clock; logger: Logger }): Leadership {
  const { info, clock, logger } = options;
  let { replicas } = options;
  let leaseUntil = -Infinity;
  let unheard = '';
  let asking: Promise<{ readonly sentAt: number; readonly words: readonly number[] }> | undefined;

  /** When each other replica was heard from, at the latest possible: on our clock. */
  async function ask() {
    const sentAt = clock.monotonicMs();
    const { cluster, config } = await info();
    replicas = config.num_replicas;
    // A replica that was never heard from has 0, or half a century.
    const words = (cluster?.replicas ?? []).map(({ active }) => (active > 0 ? sentAt - active / 1e6 : -Infinity));
    tellUnheard((cluster?.replicas ?? []).filter((_, index) => words[index]! < sentAt - limits.jetStreamUnheardMs).map(({ name }) => name));
    return { sentAt, words };
  }

  /** Such a one counts as dead, and the log survives the death of a minority: worth a line when it changes. */
  function tellUnheard(names: readonly string[]): void {
    const before = unheard;
    unheard = names.join(', ');
    if (unheard === before) return;
    if (names.length === 0) return logger.info({}, 'the leader of the event log hears all its replicas again');
    logger.warn(
      { servers: names },
      'the leader of the event log does not hear some replicas: one whose server runs may need a restart of it',
    );
  }

  async function confirm(): Promise<number> {
    const began = clock.monotonicMs();
    for (;;) {
      if (clock.monotonicMs() < leaseUntil) return leaseUntil;
      asking ??= ask().finally(() => (asking = undefined));
      const { sentAt, words } = await asking;
      if (replicas === 1) {
        // Alone it leads. Once there are others, it takes them as long as ever to lead without it.
        leaseUntil = sentAt + electionTimeoutMs - marginMs;
        if (clock.monotonicMs() < leaseUntil) continue;
      } else if (words.length === replicas - 1) {
        leaseUntil = Math.max(leaseUntil, Math.min(...words) + electionTimeoutMs - marginMs);
        if (clock.monotonicMs() < leaseUntil) continue;
        if (words.filter((at) => at > began + wordMs).length + 1 > replicas / 2) return Infinity;
      }
      if (clock.monotonicMs() - began > limits.jetStreamHeadTimeoutMs)
        throw new LogUnavailable('no leader of the event log can show that a majority of its replicas follows it');
      await clock.sleep(limits.jetStreamLeaderPollMs);
    }
  }

  return {
    get replicas() {
      return replicas;
    },
    confirm,
  };
}

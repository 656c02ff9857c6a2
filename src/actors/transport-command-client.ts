import type { Clock } from '../clock.ts';
import type { NonEmpty } from '../events/event-log.ts';
import { newCommandId } from '../events/ids.ts';
import { limits } from '../limits.ts';
import type { Logger } from '../logger.ts';
import type { Random } from '../random.ts';
import { shardOf } from '../transport/subjects.ts';
import { MessageTooLarge, NoResponders, RequestTimeout, TransportClosed } from '../transport/transport.ts';
import type { Transport } from '../transport/transport.ts';
import type { CommandClient, Wanted } from './command-client.ts';
import type { Answer } from './commands.ts';
import { readAnswerMessage } from './envelope.ts';
import type { CommandFormats } from './envelope.ts';
import { createRoutes } from './routes.ts';
import type { Wish } from './routes.ts';
import type { Membership } from './runtime/members.ts';

/** How a single try ended, of one command: with an answer; certainly without effect; or nobody knows. */
type Outcome = { readonly answer: Answer } | 'not-handled' | 'lost';

interface Try {
  /** On the monotonic clock: when it began, and past which no node begins it. */
  readonly begunAt: number;
  readonly endsAt: number;
  /** Aborted when the nodes, as this one sees them, are others than at its beginning. */
  readonly change: AbortSignal;
  readonly outcome: Outcome;
}

/**
 * Sends commands over the transport. What may pass by itself is tried again with the same command id, which makes it harmless.
 * No node begins a try whose time is over (`deadline.ts`), so that of all tries of a command only those whose time is not can still be on their way,
 * wherever they were sent.
 */
export function createCommandClient(ports: {
  transport: Transport;
  space: string;
  membership: Membership;
  /** Formats of commands that this version writes, unless told otherwise. */
  formats?: CommandFormats;
  clock: Clock;
  random: Random;
  logger: Logger;
}): CommandClient {
  const { membership, clock, random, logger } = ports;
  const routes = createRoutes(ports);

  /** One for each wish, in their order. */
  async function ask(shard: number, wishes: NonEmpty<Wish>, timeoutMs: number): Promise<readonly Outcome[]> {
    const all = (outcome: Outcome) => wishes.map(() => outcome);
    if (!routes.holds(wishes)) return all({ answer: { outcome: 'unavailable', reason: 'upgrade-in-progress' } });
    try {
      const answers = readAnswerMessage(await routes.ask(shard, wishes, timeoutMs), ports.formats);
      if (answers === 'placed-elsewhere') return all('not-handled');
      const refusal = typeof answers !== 'string' && answers.length !== wishes.length ? 'malformed' : answers;
      if (typeof refusal !== 'string') return refusal.map((answer) => ({ answer }));
      const { type } = wishes[0].command;
      logger.error({ refusal, command: type, commands: wishes.length }, 'an actor node refused a command');
      if (refusal === 'malformed') throw new CommandRefused(`no actor node understands this ${type}`);
      return all('not-handled');
    } catch (error) {
      if (error instanceof NoResponders) return all('not-handled');
      if (error instanceof RequestTimeout || error instanceof TransportClosed) return all('lost');
      throw error;
    }
  }

  /** One try of all wishes, which are of one user. */
  async function attempt(wishes: NonEmpty<Wish>, giveUpAt: number): Promise<readonly Try[]> {
    const begunAt = clock.monotonicMs();
    const timeoutMs = Math.max(1, Math.min(limits.commandTryTimeoutMs, giveUpAt - begunAt));
    const change = membership.nextChange();
    const outcomes = await ask(shardOf(wishes[0].userId), wishes, timeoutMs);
    return outcomes.map((outcome) => ({ begunAt, endsAt: begunAt + timeoutMs, change, outcome }));
  }

  /** Half to all of a time that doubles: those who were turned away together do not come back together. */
  const backOffMs = (tries: number, leastMs: number) =>
    Math.max(leastMs, Math.min(limits.commandBackOffMaxMs, limits.commandBackOffMinMs * 2 ** tries)) * (0.5 + random.float() / 2);

  /** Tries until there is an answer that holds, or the time is over. `first`: how the first try has ended, if there was one. */
  async function insist(wish: Wish, giveUpAt: number, first?: Try): Promise<Answer> {
    let last: Answer = { outcome: 'unavailable', reason: 'stopping' };
    let perhapsDone = false;
    let onItsWayUntil = -Infinity;
    let stuckSince: number | undefined;

    for (let tries = 0; ; tries++) {
      // A try that has no time to be answered would only turn a certain answer into an uncertain one.
      if (tries > 0 && giveUpAt - clock.monotonicMs() < limits.commandBackOffMinMs) return perhapsDone ? { outcome: 'unknown' } : last;
      const { begunAt, endsAt, change, outcome } = (tries === 0 && first) || (await attempt([wish], giveUpAt))[0]!;
      let pauseMs = 0;
      stuckSince = isStuck(outcome) ? (stuckSince ?? clock.monotonicMs()) : undefined;

      if (outcome === 'lost') {
        perhapsDone = true;
        onItsWayUntil = endsAt;
      } else if (outcome !== 'not-handled') {
        const { answer } = outcome;
        if (answer.outcome === 'accepted') return answer;
        if (answer.outcome === 'rejected') {
          // A rejection is not remembered: a lost try that arrives after it could still be accepted. So ask again when it no longer can.
          if (begunAt >= onItsWayUntil) return answer;
          pauseMs = Math.max(0, onItsWayUntil - clock.monotonicMs());
        } else if (answer.outcome === 'unknown') perhapsDone = true;
        else last = answer;
        if (answer.outcome === 'overloaded') pauseMs = answer.retryAfterMs;
      }
      const restMs = backOffMs(tries, 2 * pauseMs);
      // A log that takes nothing, such as one on a full disk, seldom recovers, and an upgrade seldom ends, while somebody waits: better a certain answer soon.
      const hasBeenStuck = stuckSince !== undefined && clock.monotonicMs() + restMs - stuckSince > limits.commandLogUnavailableMs;
      if (hasBeenStuck && !perhapsDone) return last;
      // Another node may take over any moment, and then there is nothing to wait for.
      const early = typeof outcome === 'string' ? change : undefined;
      await clock.sleep(Math.max(0, Math.min(restMs, giveUpAt - clock.monotonicMs())), early);
    }
  }

  /** The first try of all together, or none where they are too many for a message. */
  async function firstTries(wishes: NonEmpty<Wish>, giveUpAt: number): Promise<readonly Try[]> {
    if (wishes.length > routes.togetherMax()) return [];
    try {
      return await attempt(wishes, giveUpAt);
    } catch (error) {
      if (error instanceof MessageTooLarge) return [];
      throw error;
    }
  }

  return {
    async send(userId, command, options = {}) {
      const commandId = options.commandId ?? newCommandId(random);
      const clientChose = options.clientChose ?? options.commandId !== undefined;
      const giveUpAt = clock.monotonicMs() + (options.deadlineMs ?? limits.commandDeadlineMs);
      return { answer: await insist({ userId, commandId, clientChose, command }, giveUpAt), commandId };
    },

    async sendAll(userId, [first, ...others]) {
      const wishOf = ({ commandId, clientChose, command }: Wanted): Wish => ({ userId, commandId, clientChose, command });
      const wishes: NonEmpty<Wish> = [wishOf(first), ...others.map(wishOf)];
      const giveUpAt = clock.monotonicMs() + limits.commandDeadlineMs;
      const tries = await firstTries(wishes, giveUpAt);
      const accepted = tries.map(acceptedBy);
      // Most of the time that is all: no promise for each of them.
      if (accepted.length > 0 && accepted.every((answer) => answer !== undefined)) return accepted;
      return Promise.all(wishes.map(async (wish, at) => accepted[at] ?? insist(wish, giveUpAt, tries[at])));
    },
  };
}

function acceptedBy({ outcome }: Try): Answer | undefined {
  return typeof outcome === 'object' && outcome.answer.outcome === 'accepted' ? outcome.answer : undefined;
}

function isStuck(outcome: Outcome): boolean {
  if (typeof outcome === 'string' || outcome.answer.outcome !== 'unavailable') return false;
  return outcome.answer.reason === 'log-unavailable' || outcome.answer.reason === 'upgrade-in-progress';
}

/** A bug of ours: the sender made a command that its constructor should not have let through. */
export class CommandRefused extends Error {
  readonly code = 'COMMAND_REFUSED';
  override readonly name = 'CommandRefused';
}

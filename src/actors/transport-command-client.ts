import type { Clock } from '../clock.ts';
import { newCommandId } from '../events/ids.ts';
import { limits } from '../limits.ts';
import type { Logger } from '../logger.ts';
import type { Random } from '../random.ts';
import { shardOf } from '../transport/subjects.ts';
import { NoResponders, RequestTimeout, TransportClosed } from '../transport/transport.ts';
import type { Transport } from '../transport/transport.ts';
import type { CommandClient } from './command-client.ts';
import type { Answer } from './commands.ts';
import { readAnswerMessage } from './envelope.ts';
import type { CommandFormats } from './envelope.ts';
import { createRoutes } from './routes.ts';
import type { Wish } from './routes.ts';
import type { Membership } from './runtime/members.ts';

/** How a single try ended: with an answer; certainly without effect; or nobody knows. */
type Try = { readonly answer: Answer } | 'not-handled' | 'lost';

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

  async function ask(shard: number, wish: Wish, timeoutMs: number): Promise<Try> {
    try {
      const answer = readAnswerMessage(await routes.ask(shard, wish, timeoutMs));
      if (typeof answer === 'object') return { answer };
      if (answer === 'placed-elsewhere') return 'not-handled';
      logger.error({ refusal: answer, command: wish.command.type }, 'an actor node refused a command');
      if (answer === 'malformed') throw new CommandRefused(`no actor node understands this ${wish.command.type}`);
      return 'not-handled';
    } catch (error) {
      if (error instanceof NoResponders) return 'not-handled';
      if (error instanceof RequestTimeout || error instanceof TransportClosed) return 'lost';
      throw error;
    }
  }

  /** Half to all of a time that doubles: those who were turned away together do not come back together. */
  const backOffMs = (tries: number, leastMs: number) =>
    Math.max(leastMs, Math.min(limits.commandBackOffMaxMs, limits.commandBackOffMinMs * 2 ** tries)) * (0.5 + random.float() / 2);

  return {
    async send(userId, command, options = {}) {
      const commandId = options.commandId ?? newCommandId(random);
      const clientChose = options.clientChose ?? options.commandId !== undefined;
      const shard = shardOf(userId);
      const wish = { userId, commandId, clientChose, command };
      const giveUpAt = clock.monotonicMs() + (options.deadlineMs ?? limits.commandDeadlineMs);
      let last: Answer = { outcome: 'unavailable', reason: 'stopping' };
      let perhapsDone = false;
      let onItsWayUntil = -Infinity;
      let stuckSince: number | undefined;

      for (let tries = 0; ; tries++) {
        const begunAt = clock.monotonicMs();
        const leftMs = giveUpAt - begunAt;
        // A try that has no time to be answered would only turn a certain answer into an uncertain one.
        if (tries > 0 && leftMs < limits.commandBackOffMinMs) return { answer: perhapsDone ? { outcome: 'unknown' } : last, commandId };
        const timeoutMs = Math.max(1, Math.min(limits.commandTryTimeoutMs, leftMs));
        const endsAt = begunAt + timeoutMs;
        const change = membership.nextChange();
        const outcome = await ask(shard, wish, timeoutMs);
        let pauseMs = 0;
        stuckSince = isStuck(outcome) ? (stuckSince ?? clock.monotonicMs()) : undefined;

        if (outcome === 'lost') {
          perhapsDone = true;
          onItsWayUntil = endsAt;
        } else if (outcome !== 'not-handled') {
          const { answer } = outcome;
          if (answer.outcome === 'accepted') return { answer, commandId };
          if (answer.outcome === 'rejected') {
            // A rejection is not remembered: a lost try that arrives after it could still be accepted. So ask again when it no longer can.
            if (begunAt >= onItsWayUntil) return { answer, commandId };
            pauseMs = Math.max(0, onItsWayUntil - clock.monotonicMs());
          } else if (answer.outcome === 'unknown') perhapsDone = true;
          else last = answer;
          if (answer.outcome === 'overloaded') pauseMs = answer.retryAfterMs;
        }
        const restMs = backOffMs(tries, 2 * pauseMs);
        // A log that takes nothing, such as one on a full disk, seldom recovers, and an upgrade seldom ends, while somebody waits: better a certain answer soon.
        const hasBeenStuck = stuckSince !== undefined && clock.monotonicMs() + restMs - stuckSince > limits.commandLogUnavailableMs;
        if (hasBeenStuck && !perhapsDone) return { answer: last, commandId };
        // Another node may take over any moment, and then there is nothing to wait for.
        const early = typeof outcome === 'string' ? change : undefined;
        await clock.sleep(Math.max(0, Math.min(restMs, giveUpAt - clock.monotonicMs())), early);
      }
    },
  };
}

function isStuck(outcome: Try): boolean {
  if (typeof outcome === 'string' || outcome.answer.outcome !== 'unavailable') return false;
  return outcome.answer.reason === 'log-unavailable' || outcome.answer.reason === 'upgrade-in-progress';
}

/** A bug of ours: the sender made a command that its constructor should not have let through. */
export class CommandRefused extends Error {
  readonly code = 'COMMAND_REFUSED';
  override readonly name = 'CommandRefused';
}

import type { Clock } from '../clock.ts';
import { newCommandId } from '../events/ids.ts';
import { limits } from '../limits.ts';
import type { Logger } from '../logger.ts';
import type { Random } from '../random.ts';
import { commandSubject, shardCount, shardOf } from '../transport/subjects.ts';
import { NoResponders, RequestTimeout, TransportClosed } from '../transport/transport.ts';
import type { Transport } from '../transport/transport.ts';
import type { CommandClient } from './command-client.ts';
import type { Answer, CommandEnvelope } from './commands.ts';
import { commandMessage, readAnswerMessage } from './envelope.ts';

/** How a single try ended: with an answer; certainly without effect; or nobody knows. */
type Try = { readonly answer: Answer } | 'not-handled' | 'lost';

/**
 * Sends commands over the transport. What may pass by itself is tried again with the same command id, which makes it harmless.
 * The actor does not begin a try whose time is over, so that of all tries of a command only the last can still be on its way.
 */
export function createCommandClient(ports: {
  transport: Transport;
  space: string;
  clock: Clock;
  random: Random;
  logger: Logger;
}): CommandClient {
  const { transport, space, clock, random, logger } = ports;
  // Made once: to find who serves a text that was just put together, all of it has to be read.
  const subjects = Array.from({ length: shardCount }, (_, shard) => commandSubject(space, shard));

  async function ask(subject: string, envelope: CommandEnvelope, timeoutMs: number): Promise<Try> {
    try {
      const answer = readAnswerMessage(await transport.request(subject, commandMessage(envelope), { timeoutMs }));
      if (typeof answer === 'object') return { answer };
      logger.error({ refusal: answer, command: envelope.command.type }, 'an actor node refused a command');
      if (answer === 'malformed') throw new CommandRefused(`no actor node understands this ${envelope.command.type}`);
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
      const subject = subjects[shardOf(userId)]!;
      const giveUpAt = clock.monotonicMs() + (options.deadlineMs ?? limits.commandDeadlineMs);
      let last: Answer = { outcome: 'unavailable', reason: 'stopping' };
      let perhapsDone = false;
      let onItsWayUntil = -Infinity;
      let logGoneSince: number | undefined;

      for (let tries = 0; ; tries++) {
        const begunAt = clock.monotonicMs();
        const leftMs = giveUpAt - begunAt;
        // A try that has no time to be answered would only turn a certain answer into an uncertain one.
        if (tries > 0 && leftMs < limits.commandBackOffMinMs) return { answer: perhapsDone ? { outcome: 'unknown' } : last, commandId };
        const timeoutMs = Math.max(1, Math.min(limits.commandTryTimeoutMs, leftMs));
        const endsAt = begunAt + timeoutMs;
        const envelope = { userId, commandId, clientChose, deadline: clock.now() + timeoutMs, command };
        const outcome = await ask(subject, envelope, timeoutMs);
        let pauseMs = 0;
        logGoneSince = isLogUnavailable(outcome) ? (logGoneSince ?? clock.monotonicMs()) : undefined;

        if (outcome === 'lost') {
          perhapsDone = true;
          onItsWayUntil = endsAt;
        } else if (outcome !== 'not-handled') {
          const { answer } = outcome;
          if (answer.outcome === 'accepted') return { answer, commandId };
          if (answer.outcome === 'rejected') {
            // A rejection is not remembered: a lost try that arrives after it could still be accepted. So ask again when it no longer can.
            pauseMs = onItsWayUntil - clock.monotonicMs();
            if (pauseMs <= 0) return { answer, commandId };
          } else if (answer.outcome === 'unknown') perhapsDone = true;
          else last = answer;
          if (answer.outcome === 'overloaded') pauseMs = answer.retryAfterMs;
        }
        const restMs = backOffMs(tries, 2 * pauseMs);
        // A log that takes nothing, such as one on a full disk, seldom recovers while somebody waits: better a certain answer soon.
        const isLogGone = logGoneSince !== undefined && clock.monotonicMs() + restMs - logGoneSince > limits.commandLogUnavailableMs;
        if (isLogGone && !perhapsDone) return { answer: last, commandId };
        await clock.sleep(Math.max(0, Math.min(restMs, giveUpAt - clock.monotonicMs())));
      }
    },
  };
}

function isLogUnavailable(outcome: Try): boolean {
  return typeof outcome === 'object' && outcome.answer.outcome === 'unavailable' && outcome.answer.reason === 'log-unavailable';
}

/** A bug of ours: the sender made a command that its constructor should not have let through. */
export class CommandRefused extends Error {
  readonly code = 'COMMAND_REFUSED';
  override readonly name = 'CommandRefused';
}

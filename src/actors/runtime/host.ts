import type { Clock } from '../../clock.ts';
import type { EventLog } from '../../events/event-log.ts';
import { userIdOf, userStreamOf } from '../../events/ids.ts';
import type { UserId } from '../../events/ids.ts';
import { limits as defaultLimits } from '../../limits.ts';
import type { Logger } from '../../logger.ts';
import type { Metrics } from '../../metrics.ts';
import type { Random } from '../../random.ts';
import { commandSubject } from '../../transport/subjects.ts';
import type { Meters } from '../../transport/meter-reports.ts';
import type { Message, Transport } from '../../transport/transport.ts';
import type { Answer, CommandEnvelope } from '../commands.ts';
import { answerMessage, readCommandMessage, refusalMessage } from '../envelope.ts';
import type { Refusal } from '../envelope.ts';
import { Actor } from './actor.ts';
import type { ActorBounds, ActorPorts } from './actor.ts';
import { createRarely } from './rarely.ts';
import { createSnapshotKeeper } from './snapshot-keeper.ts';
import { recover } from './recovery.ts';
import type { SnapshotStore } from './snapshots.ts';
import { createTurnstile } from './turnstile.ts';

export interface ActorHost {
  /** Actors in memory now. */
  readonly activeActors: number;
  /** Takes no new command, carries out what waits, puts all actors away. */
  stop(): Promise<void>;
}

export interface ActorHostLimits extends ActorBounds {
  readonly activeActorsMax: number;
  readonly commandsPerNodeMax: number;
  readonly overloadedRetryMs: number;
  readonly passivateAfterMs: number;
  readonly passivationScanMax: number;
  readonly recoveriesMax: number;
  readonly snapshotEveryEvents: number;
}

export interface ActorHostPorts {
  readonly log: EventLog;
  readonly transport: Transport;
  readonly snapshots: SnapshotStore;
  /** Keeps systems apart that share one transport. */
  readonly space: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Told of every command answered, for the reports of this node. */
  readonly meters?: Pick<Meters, 'count'>;
  readonly limits?: Partial<ActorHostLimits>;
}

/** Serves commands: brings up actors on demand, and puts away those that are idle or were not used for longest. */
export async function startActorHost(ports: ActorHostPorts): Promise<ActorHost> {
  const { log, transport, space, clock, random, logger, metrics } = ports;
  const limits: ActorHostLimits = { ...defaultLimits, ...ports.limits };
  const through = createTurnstile(limits.recoveriesMax);
  const snapshots = createSnapshotKeeper({ store: ports.snapshots, everyEvents: limits.snapshotEveryEvents, logger });
  /** In order of use, the one that was not used for longest first. */
  const actors = new Map<UserId, Actor>();
  const stopped = new AbortController();
  let waiting = 0;

  const refusals = createRarely(clock, defaultLimits.malformedLogIntervalMs);
  const logTroubles = createRarely(clock, defaultLimits.malformedLogIntervalMs);
  // Those who are turned away together shall not come back together.
  const retryAfterMs = () => Math.round(limits.overloadedRetryMs * (1 + random.float()));

  const actorPorts: ActorPorts = {
    log,
    clock,
    logger,
    bounds: limits,
    recover: (userId) =>
      through(() => {
        metrics.recoveries.inc();
        return recover(userId, { log, logger, snapshots: ports.snapshots, snapshotEveryEvents: limits.snapshotEveryEvents });
      }),
    keepSnapshot: snapshots.keep,
    retryAfterMs,
    observeAppend: (seconds) => metrics.appendSeconds.observe(seconds),
    onLogTrouble: (actor, error) =>
      logTroubles((skipped) => logger.error({ stream: userStreamOf(actor.userId), err: error, skipped }, 'the log cannot serve an actor')),
    onStopped: (actor) => {
      if (actors.get(actor.userId) === actor) remove(actor);
    },
  };

  function remove(actor: Actor): void {
    actors.delete(actor.userId);
    metrics.activeActors.set(actors.size);
  }

  /** The actor of a user, used last from now on; undefined when there is no room for another one. */
  function activate(userId: UserId): Actor | undefined {
    let actor = actors.get(userId);
    const isNew = actor === undefined;
    if (!isNew) actors.delete(userId);
    else if (actors.size >= limits.activeActorsMax && !passivateOldest()) return undefined;
    actor ??= new Actor(userId, actorPorts);
    actor.lastUsedAt = clock.now();
    actors.set(userId, actor);
    if (isNew) metrics.activeActors.set(actors.size);
    return actor;
  }

  function passivateOldest(): boolean {
    let looked = 0;
    for (const actor of actors.values()) {
      if (actor.passivate()) {
        remove(actor);
        return true;
      }
      if (++looked >= limits.passivationScanMax) return false;
    }
    return false;
  }

  async function passivateIdle(): Promise<void> {
    while (!stopped.signal.aborted) {
      await clock.sleep(limits.passivateAfterMs / 4, stopped.signal);
      const before = clock.now() - limits.passivateAfterMs;
      for (const actor of actors.values()) {
        if (actor.lastUsedAt > before) break;
        if (actor.passivate()) remove(actor);
      }
    }
  }

  async function carryOut(envelope: CommandEnvelope): Promise<Answer> {
    if (stopped.signal.aborted) return { outcome: 'unavailable', reason: 'stopping' };
    const actor = waiting < limits.commandsPerNodeMax ? activate(envelope.userId) : undefined;
    if (actor === undefined) return { outcome: 'overloaded', retryAfterMs: retryAfterMs() };
    metrics.mailboxDepth.set(++waiting);
    const answer = await actor.tell(envelope);
    metrics.mailboxDepth.set(--waiting);
    return answer;
  }

  /** Whoever could append to a handle's stream under another id could take a handle twice. */
  function check(envelope: CommandEnvelope): CommandEnvelope | Refusal {
    const { command, userId } = envelope;
    return command.type === 'RegisterUser' && userIdOf(command.handle, log.namespace) !== userId ? 'malformed' : envelope;
  }

  async function handle(message: Message): Promise<Message> {
    const read = readCommandMessage(message);
    const envelope = typeof read === 'string' ? read : check(read);
    if (typeof envelope === 'string') {
      metrics.commands.inc({ command: 'none', outcome: 'refused' });
      const fields = { refusal: envelope, type: message.type, format: message.format };
      refusals((skipped) => logger.warn({ ...fields, skipped }, 'a command was refused'));
      return refusalMessage(envelope);
    }
    const answer = await carryOut(envelope);
    metrics.commands.inc({ command: envelope.command.type, outcome: answer.outcome });
    ports.meters?.count('commandsAnswered', 1);
    return answerMessage(answer);
  }

  const stopResponding = await transport.respond(commandSubject(space, '*'), 'actors', handle);
  const passivation = passivateIdle();

  async function stop(): Promise<void> {
    stopped.abort();
    await Promise.all([stopResponding(), passivation]);
    for (const actor of actors.values()) if (actor.passivate()) remove(actor);
    await snapshots.settled();
  }

  let stopping: Promise<void> | undefined;
  return {
    get activeActors() {
      return actors.size;
    },
    stop: () => (stopping ??= stop()),
  };
}

import type { Clock } from '../../clock.ts';
import type { EventLog, NonEmpty } from '../../events/event-log.ts';
import { eventGenerations } from '../../events/generations.ts';
import type { EventGenerations } from '../../events/generations.ts';
import { userIdOf, userStreamOf } from '../../events/ids.ts';
import type { UserId } from '../../events/ids.ts';
import { limits as defaultLimits } from '../../limits.ts';
import type { Logger } from '../../logger.ts';
import type { Metrics } from '../../metrics.ts';
import type { Random } from '../../random.ts';
import { commandSubject, shardOf } from '../../transport/subjects.ts';
import type { Meters } from '../../transport/meter-reports.ts';
import type { Message, Transport } from '../../transport/transport.ts';
import type { Answer, CommandEnvelope } from '../commands.ts';
import { answerMessage, readCommandMessage, refusalMessage } from '../envelope.ts';
import type { CommandFormats, Refusal } from '../envelope.ts';
import { Actor } from './actor.ts';
import type { ActorBounds, ActorPorts } from './actor.ts';
import type { Membership } from './members.ts';
import { createRarely } from './rarely.ts';
import { createSnapshotKeeper } from './snapshot-keeper.ts';
import { recover } from './recovery.ts';
import type { SnapshotStore } from './snapshots.ts';
import { createTurnstile } from './turnstile.ts';

export interface ActorHost {
  /** Actors in memory now. */
  readonly activeActors: number;
  /** Commands answered since the start. */
  readonly commandsAnswered: number;
  /** Tells everybody that this node leaves, carries out what waits for at most `limits.leaveMs`, puts all actors away. */
  stop(): Promise<void>;
}

export interface ActorHostLimits extends ActorBounds {
  readonly activeActorsMax: number;
  readonly commandsPerNodeMax: number;
  readonly leaveMs: number;
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
  /** Says which users are this node's. */
  readonly membership: Membership;
  /** What is written and read by this version, unless told otherwise. */
  readonly generations?: EventGenerations;
  readonly formats?: CommandFormats;
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
  const { log, transport, space, membership, clock, random, logger, metrics } = ports;
  const generations = ports.generations ?? eventGenerations;
  const limits: ActorHostLimits = { ...defaultLimits, ...ports.limits };
  const through = createTurnstile(limits.recoveriesMax);
  const snapshots = createSnapshotKeeper({ store: ports.snapshots, everyEvents: limits.snapshotEveryEvents, logger });
  /** In order of use, the one that was not used for longest first. */
  const actors = new Map<UserId, Actor>();
  const stopped = new AbortController();
  let waiting = 0;
  let answered = 0;

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
    // Nothing is asked of the cluster for what the first generation could read.
    mayWrite: (events) => events.every(({ type }) => generations[type] === 1 || generations[type] <= membership.understood().events),
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
    actor.lastUsedAt = clock.monotonicMs();
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
      const before = clock.monotonicMs() - limits.passivateAfterMs;
      for (const actor of actors.values()) {
        if (actor.lastUsedAt > before) break;
        if (actor.passivate()) remove(actor);
      }
    }
  }

  async function carryOut(envelopes: NonEmpty<CommandEnvelope>, shard: number): Promise<readonly Answer[]> {
    const actor = waiting + envelopes.length <= limits.commandsPerNodeMax ? activate(envelopes[0].userId) : undefined;
    if (actor === undefined) return envelopes.map(() => ({ outcome: 'overloaded', retryAfterMs: retryAfterMs() }));
    metrics.mailboxDepth.set((waiting += envelopes.length));
    const answers = await actor.tell(envelopes);
    metrics.mailboxDepth.set((waiting -= envelopes.length));
    if (!membership.owns(shard)) putAway(actor);
    return answers;
  }

  function putAway(actor: Actor): void {
    if (actors.get(actor.userId) === actor && actor.passivate()) remove(actor);
  }

  /** Shards have moved: their actors are put away, those that work when they have finished. */
  async function putAwayMoved(): Promise<void> {
    // Whoever is used meanwhile goes to the end and needs no second look: it is looked at when its command is answered.
    let left = actors.size;
    for (const actor of actors.values()) {
      if (!membership.owns(shardOf(actor.userId))) putAway(actor);
      if (--left <= 0) return;
      if (left % defaultLimits.movedActorsPerSlice === 0) await clock.sleep(0, stopped.signal);
    }
  }

  /** Whoever could append to a handle's stream under another id could take a handle twice. */
  function check(envelopes: NonEmpty<CommandEnvelope>): NonEmpty<CommandEnvelope> | Refusal {
    for (const { command, userId } of envelopes) {
      if (command.type === 'RegisterUser' && userIdOf(command.handle, log.namespace) !== userId) return 'malformed';
    }
    return envelopes;
  }

  function countAnswers(envelopes: NonEmpty<CommandEnvelope>, answers: readonly Answer[]): void {
    answered += answers.length;
    ports.meters?.count('commandsAnswered', answers.length);
    // Neighbours are alike, and counting is not free.
    for (let from = 0, to = 0; from < answers.length; from = to) {
      const { type } = envelopes[from]!.command;
      const { outcome } = answers[from]!;
      while (to < answers.length && answers[to]!.outcome === outcome && envelopes[to]!.command.type === type) to++;
      metrics.commands.inc({ command: type, outcome }, to - from);
    }
  }

  async function handle(message: Message, subject: string): Promise<Message> {
    const shard = Number(subject.slice(subject.lastIndexOf('.') + 1));
    if (!membership.owns(shard)) {
      metrics.commands.inc({ command: 'none', outcome: 'placed-elsewhere' });
      return refusalMessage('placed-elsewhere');
    }
    const read = readCommandMessage(message, ports.formats);
    const envelopes = typeof read === 'string' ? read : check(read);
    if (typeof envelopes === 'string') {
      metrics.commands.inc({ command: 'none', outcome: 'refused' });
      const fields = { refusal: envelopes, type: message.type, format: message.format };
      refusals((skipped) => logger.warn({ ...fields, skipped }, 'a command was refused'));
      return refusalMessage(envelopes);
    }
    const answers = await carryOut(envelopes, shard);
    countAnswers(envelopes, answers);
    return answerMessage(answers, message.format, ports.formats);
  }

  const stopResponding = await transport.respond(commandSubject(space, membership.nodeId, '*'), 'actors', handle);
  const stopWatching = membership.onChange(() => void putAwayMoved());
  const passivation = passivateIdle();
  membership.serve();

  async function finish(): Promise<void> {
    const finished = new AbortController();
    const finishing = stopResponding().then(() => finished.abort());
    await Promise.race([finishing, clock.sleep(limits.leaveMs, finished.signal)]);
    if (waiting > 0) logger.warn({ commands: waiting }, 'left without an answer to some commands: the log takes too long');
  }

  async function stop(): Promise<void> {
    membership.leave();
    await finish();
    stopped.abort();
    stopWatching();
    await passivation;
    for (const actor of actors.values()) if (actor.passivate()) remove(actor);
    await snapshots.settled();
  }

  let stopping: Promise<void> | undefined;
  return {
    get activeActors() {
      return actors.size;
    },
    get commandsAnswered() {
      return answered;
    },
    stop: () => (stopping ??= stop()),
  };
}

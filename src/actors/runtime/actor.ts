import assert from 'node:assert/strict';
import type { Clock } from '../../clock.ts';
import { AppendOutcomeUnknown, LogCorrupt, LogUnavailable, WrongExpectedVersion } from '../../events/event-log.ts';
import type { EventLog, NonEmpty, StreamHead } from '../../events/event-log.ts';
import type { UserEvent } from '../../events/event-types.ts';
import { userStreamOf } from '../../events/ids.ts';
import type { UserId } from '../../events/ids.ts';
import { isExpected } from '../../events/stream-chain.ts';
import type { Logger } from '../../logger.ts';
import type { Answer, CommandEnvelope } from '../commands.ts';
import { isOver } from '../deadline.ts';
import { hashOfCommandId } from '../remembered-commands.ts';
import { Mailbox } from './mailbox.ts';
import { recall } from './recall.ts';
import { absorb, versionOf } from './recollection.ts';
import type { Recollection } from './recollection.ts';
import { acceptedAt, commitOf, settle } from './settle.ts';
import { type DecidedTurn, type OwnCommit, decideTurn, isTroubleOfLog, takeTurn } from './turn.ts';
import { type Waiting, waitTogether } from './waiting.ts';

// The life of an actor:
//
//   recovering ──stream read──→ ready ──command──→ deciding ──answered──→ ready
//       ↑                                             │
//       └──── whatever it knew is in doubt ───────────┘        any ──put away, or a bug──→ stopped
//
// It is created as `recovering`, and reads its stream when its first command comes. It carries out one turn at a time: one command or, where the
// log can append them together, all that wait and are about different things. In doubt is what it knows when an append failed, when its outcome
// is unknown, or when the stream turns out to be longer: then it forgets and reads again, and a turn of several it carries out one by one.
// Two actors of one user may live at the same time, on two nodes. Appends are fenced by the expected version; answers that append nothing
// leave only after the log said that the stream still ends where the actor believes.

export interface ActorPorts {
  readonly log: EventLog;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly bounds: ActorBounds;
  readonly recover: (userId: UserId) => Promise<Recollection>;
  /** Told after each append and recovery; keeps a snapshot when one is due. */
  readonly keepSnapshot: (known: Recollection) => void;
  /** Can every node read these events? */
  readonly mayWrite: (events: NonEmpty<UserEvent>) => boolean;
  readonly retryAfterMs: () => number;
  readonly observeAppend: (seconds: number) => void;
  /** The log could not serve a command; the sender was told. */
  readonly onLogTrouble: (actor: Actor, error: Error) => void;
  /** The actor met a bug: it must not be used any more. */
  readonly onStopped: (actor: Actor) => void;
}

export interface ActorBounds {
  readonly mailboxSizeMax: number;
  readonly decideTriesMax: number;
}

type Phase = 'recovering' | 'ready' | 'deciding' | 'stopped';

const unknown: Answer = { outcome: 'unknown' };
const stopping: Answer = { outcome: 'unavailable', reason: 'stopping' };
const upgrading: Answer = { outcome: 'unavailable', reason: 'upgrade-in-progress' };

export class Actor {
  readonly userId: UserId;
  /** On the monotonic clock: one on the wall that is set back would keep whoever was used before, and all behind it, for as long. */
  lastUsedAt = 0;
  readonly #ports: ActorPorts;
  readonly #mailbox = new Mailbox<Waiting>();
  #phase: Phase = 'recovering';
  #running = false;
  /** Commands of the turn that runs. */
  #atWork = 0;
  #known: Recollection | undefined;

  constructor(userId: UserId, ports: ActorPorts) {
    this.userId = userId;
    this.#ports = ports;
  }

  /** An answer to each, when the turns of all have come and gone; never throws. */
  tell(envelopes: NonEmpty<CommandEnvelope>): Promise<readonly Answer[]> {
    return new Promise((complete) => {
      for (const waiting of waitTogether(envelopes, complete)) this.#offer(waiting);
      if (!this.#running) void this.#run();
    });
  }

  #offer(waiting: Waiting): void {
    // Those behind the first one of a turn wait as much as if they went alone.
    const room = this.#ports.bounds.mailboxSizeMax - Math.max(0, this.#atWork - 1);
    if (this.#phase === 'stopped') waiting.answer(stopping);
    else if (!this.#mailbox.offer(waiting, room)) waiting.answer(this.#overloaded());
  }

  /** Puts the actor away if it has nothing to do; false when it has. */
  passivate(): boolean {
    if (this.#running) return false;
    this.#phase = 'stopped';
    this.forget();
    return true;
  }

  /** What it knows is in doubt: the next command reads the stream first. */
  forget(): void {
    this.#known = undefined;
    if (this.#phase !== 'stopped') this.#phase = 'recovering';
  }

  async #run(): Promise<void> {
    this.#running = true;
    while (this.#mailbox.size > 0) {
      const turn = await this.#nextTurn();
      this.#atWork = turn.length;
      try {
        const alone = turn.length > 1 ? await this.#carryOutTogether(turn) : turn;
        for (const each of alone) each.answer(await this.#carryOut(each));
      } catch (error) {
        this.#stop(error, turn);
      }
      this.#atWork = 0;
    }
    this.#running = false;
  }

  async #nextTurn(): Promise<readonly Waiting[]> {
    if (this.#ports.log.appendAll === undefined) return [this.#mailbox.take()!];
    // What was sent in one go arrives in one go, right behind the command that woke the actor.
    await Promise.resolve();
    return takeTurn(this.#mailbox);
  }

  /** Decides all on one state and appends at once what they come to. Returns those that are to be carried out alone: all, if anything went wrong. */
  async #carryOutTogether(turn: readonly Waiting[]): Promise<readonly Waiting[]> {
    let tried: DecidedTurn['decided'] = [];
    try {
      const known = await this.#ready();
      this.#phase = 'deciding';
      const { alone, settled, decided } = decideTurn(turn, known, this.#ports);
      tried = decided;
      const [first, ...others] = decided;
      if (first !== undefined) {
        // That it went through proves that the stream ended where all of them were decided, also those that append nothing.
        const heads = await this.#append(known, [first, ...others]);
        for (const [at, { waiting }] of decided.entries()) waiting.answer(acceptedAt(heads[at]!.position, waiting.envelope.command));
      } else if (!(await this.#isAtHead(known))) throw new WrongExpectedVersion(userStreamOf(this.userId));
      for (const { waiting, answer } of settled) waiting.answer(answer);
      this.#phase = 'ready';
      return alone;
    } catch (error) {
      this.forget();
      if (error instanceof AppendOutcomeUnknown) for (const { waiting } of tried) waiting.unsure = true;
      else if (!isTroubleOfLog(error)) throw error;
      return turn;
    }
  }

  async #carryOut(waiting: Waiting): Promise<Answer> {
    const { envelope } = waiting;
    const { clock, bounds, log, mayWrite } = this.#ports;
    const idHash = hashOfCommandId(envelope.commandId, log.namespace);
    // While it is unsure: once the stream was read again and the command is neither remembered nor accepted any more, the try that may have been
    // appended can no longer get in either, since it expects an end of the stream that is gone.
    for (let tries = 0; tries < bounds.decideTriesMax && !isOver(envelope.deadline, clock); tries++) {
      try {
        const known = await this.#ready();
        this.#phase = 'deciding';
        const remembered = recall(envelope, idHash, known, log);
        const settled = (remembered && (await remembered)) ?? settle(envelope, known);
        if ('outcome' in settled) {
          if (await this.#isAtHead(known)) return this.#answered(settled);
          this.forget();
          continue;
        }
        if (!mayWrite(settled)) return this.#answered(waiting.unsure ? unknown : upgrading);
        // Asked right before the append: whoever waited has given up, and may act on it.
        if (isOver(envelope.deadline, clock)) break;
        const [head] = await this.#append(known, [{ commit: commitOf(envelope, known, settled, clock.now()), idHash }]);
        return this.#answered(acceptedAt(head.position, envelope.command));
      } catch (error) {
        this.forget();
        if (error instanceof WrongExpectedVersion) continue;
        if (error instanceof AppendOutcomeUnknown) {
          waiting.unsure = true;
          continue;
        }
        if (error instanceof LogUnavailable || error instanceof LogCorrupt) {
          this.#ports.onLogTrouble(this, error);
          return waiting.unsure ? unknown : { outcome: 'unavailable', reason: 'log-unavailable' };
        }
        throw error;
      }
    }
    if (this.#phase === 'deciding') this.#phase = 'ready';
    if (waiting.unsure) return unknown;
    return isOver(envelope.deadline, clock) ? { outcome: 'unavailable', reason: 'deadline-passed' } : this.#overloaded();
  }

  async #ready(): Promise<Recollection> {
    if (this.#known === undefined) {
      this.#known = await this.#ports.recover(this.userId);
      this.#ports.keepSnapshot(this.#known);
      this.#phase = 'ready';
    }
    return this.#known;
  }

  /** Appends all the commits or none, and takes them in. */
  async #append(known: Recollection, commits: NonEmpty<OwnCommit>): Promise<NonEmpty<StreamHead>> {
    const { log, clock, observeAppend } = this.#ports;
    const stream = userStreamOf(this.userId);
    const [first, ...others] = commits;
    const begunAt = clock.monotonicMs();
    const heads: NonEmpty<StreamHead> =
      others.length === 0 || log.appendAll === undefined
        ? [await log.append(stream, known.head, first.commit)]
        : await log.appendAll(stream, known.head, [first.commit, ...others.map(({ commit }) => commit)]);
    observeAppend((clock.monotonicMs() - begunAt) / 1000);
    for (const [index, { commit, idHash }] of commits.entries()) {
      const head = heads[index];
      assert(head?.version === versionOf(known.head) + commit.events.length, `${stream}: the log gave version ${head?.version}`);
      absorb(known, commit, head, idHash);
    }
    this.#ports.keepSnapshot(known);
    return heads;
  }

  async #isAtHead(known: Recollection): Promise<boolean> {
    const head = await this.#ports.log.head(userStreamOf(this.userId));
    return isExpected(known.head, head === 'no-stream' ? undefined : head);
  }

  #answered(answer: Answer): Answer {
    this.#phase = 'ready';
    return answer;
  }

  /** A bug: what was decided so far stands in the log or not, and nobody may build on this copy. */
  #stop(error: unknown, turn: readonly Waiting[]): void {
    this.#ports.logger.error({ stream: userStreamOf(this.userId), err: error }, 'an actor met a bug and stopped');
    this.#phase = 'stopped';
    this.forget();
    this.#ports.onStopped(this);
    // Who was answered already does not hear this.
    for (const each of turn) each.answer(unknown);
    for (let next = this.#mailbox.take(); next !== undefined; next = this.#mailbox.take()) next.answer(stopping);
  }

  #overloaded(): Answer {
    return { outcome: 'overloaded', retryAfterMs: this.#ports.retryAfterMs() };
  }
}

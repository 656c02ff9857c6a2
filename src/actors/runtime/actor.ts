import assert from 'node:assert/strict';
import type { Clock } from '../../clock.ts';
import { AppendOutcomeUnknown, LogCorrupt, LogUnavailable, WrongExpectedVersion } from '../../events/event-log.ts';
import type { EventLog, NewCommit, NonEmpty } from '../../events/event-log.ts';
import type { UserEvent } from '../../events/event-types.ts';
import { userStreamOf } from '../../events/ids.ts';
import type { UserId } from '../../events/ids.ts';
import { isExpected } from '../../events/stream-chain.ts';
import type { Logger } from '../../logger.ts';
import type { Answer, CommandEnvelope } from '../commands.ts';
import { isOver } from '../deadline.ts';
import { fingerprintOf } from '../fingerprint.ts';
import { hashOfCommandId } from '../remembered-commands.ts';
import { decide } from '../user/user.ts';
import { Mailbox } from './mailbox.ts';
import { recall } from './recall.ts';
import { absorb, versionOf } from './recollection.ts';
import type { Recollection } from './recollection.ts';

// The life of an actor:
//
//   recovering ──stream read──→ ready ──command──→ deciding ──answered──→ ready
//       ↑                                             │
//       └──── whatever it knew is in doubt ───────────┘        any ──put away, or a bug──→ stopped
//
// It is created as `recovering`, and reads its stream when its first command comes. It carries out one command at a time. In doubt is what
// it knows when an append failed, when its outcome is unknown, or when the stream turns out to be longer: then it forgets and reads again.
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

interface Waiting {
  readonly envelope: CommandEnvelope;
  readonly answer: (answer: Answer) => void;
}

const unknown: Answer = { outcome: 'unknown' };
const stopping: Answer = { outcome: 'unavailable', reason: 'stopping' };
const upgrading: Answer = { outcome: 'unavailable', reason: 'upgrade-in-progress' };

export class Actor {
  readonly userId: UserId;
  /** Milliseconds since the epoch. */
  lastUsedAt = 0;
  readonly #ports: ActorPorts;
  readonly #mailbox = new Mailbox<Waiting>();
  #phase: Phase = 'recovering';
  #running = false;
  #known: Recollection | undefined;

  constructor(userId: UserId, ports: ActorPorts) {
    this.userId = userId;
    this.#ports = ports;
  }

  /** Answers when the command's turn has come and gone; never throws. */
  tell(envelope: CommandEnvelope): Promise<Answer> {
    return new Promise((answer) => {
      if (this.#phase === 'stopped') return answer(stopping);
      if (!this.#mailbox.offer({ envelope, answer }, this.#ports.bounds.mailboxSizeMax)) return answer(this.#overloaded());
      if (!this.#running) void this.#run();
    });
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
    for (let next = this.#mailbox.take(); next !== undefined; next = this.#mailbox.take()) {
      try {
        next.answer(await this.#carryOut(next.envelope));
      } catch (error) {
        this.#stop(error, next);
      }
    }
    this.#running = false;
  }

  async #carryOut(envelope: CommandEnvelope): Promise<Answer> {
    const { clock, bounds, log } = this.#ports;
    const idHash = hashOfCommandId(envelope.commandId, log.namespace);
    // An earlier try may or may not have been appended. Once the stream was read again and the command is neither remembered nor
    // accepted any more, that try can no longer get in either: it expects an end of the stream that is gone.
    let unsure = false;

    for (let tries = 0; tries < bounds.decideTriesMax && !isOver(envelope.deadline, clock); tries++) {
      try {
        const known = await this.#ready();
        this.#phase = 'deciding';
        const remembered = recall(envelope, idHash, known, log);
        const settled = (remembered && (await remembered)) ?? this.#settle(envelope, known);
        if ('outcome' in settled) {
          if (await this.#isAtHead(known)) return this.#answered(settled);
          this.forget();
          continue;
        }
        if (!this.#ports.mayWrite(settled)) return this.#answered(unsure ? unknown : upgrading);
        // Asked right before the append: whoever waited has given up, and may act on it.
        if (isOver(envelope.deadline, clock)) break;
        return this.#answered(await this.#append(envelope, idHash, known, settled));
      } catch (error) {
        this.forget();
        if (error instanceof WrongExpectedVersion) continue;
        if (error instanceof AppendOutcomeUnknown) {
          unsure = true;
          continue;
        }
        if (error instanceof LogUnavailable || error instanceof LogCorrupt) {
          this.#ports.onLogTrouble(this, error);
          return unsure ? unknown : { outcome: 'unavailable', reason: 'log-unavailable' };
        }
        throw error;
      }
    }
    if (this.#phase === 'deciding') this.#phase = 'ready';
    if (unsure) return unknown;
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

  /** The events to append, or an answer that needs none. */
  #settle({ command, clientChose }: CommandEnvelope, known: Recollection): Answer | NonEmpty<UserEvent> {
    const decision = decide(command, known.state);
    if (!decision.accepted) return { outcome: 'rejected', rejection: decision.rejection };
    const [first, ...others] = decision.events;
    if (first !== undefined) return [first, ...others];
    if (clientChose) return [{ type: 'CommandNoted' }];
    assert(known.head !== 'no-stream', 'a user without a stream accepts nothing but an event');
    const answer: Answer = { outcome: 'accepted', position: known.head.position, repeated: false };
    return command.type === 'CreatePost' ? { ...answer, postId: command.postId } : answer;
  }

  async #append(
    { command, commandId }: CommandEnvelope,
    idHash: number,
    known: Recollection,
    events: NonEmpty<UserEvent>,
  ): Promise<Answer> {
    const { log, clock, observeAppend } = this.#ports;
    const stream = userStreamOf(this.userId);
    // Clocks go back, and nodes disagree; within a stream time does not.
    const time = Math.max(clock.now(), known.time);
    const commit: NewCommit = { events, time, metadata: { commandId, fingerprint: fingerprintOf(command) } };
    const begunAt = clock.monotonicMs();
    const head = await log.append(stream, known.head, commit);
    observeAppend((clock.monotonicMs() - begunAt) / 1000);
    assert(head.version === versionOf(known.head) + events.length, `${stream}: the log gave version ${head.version}`);
    absorb(known, commit, head, idHash);
    this.#ports.keepSnapshot(known);
    const answer: Answer = { outcome: 'accepted', position: head.position, repeated: false };
    return command.type === 'CreatePost' ? { ...answer, postId: command.postId } : answer;
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
  #stop(error: unknown, current: Waiting): void {
    this.#ports.logger.error({ stream: userStreamOf(this.userId), err: error }, 'an actor met a bug and stopped');
    this.#phase = 'stopped';
    this.forget();
    this.#ports.onStopped(this);
    current.answer(unknown);
    for (let next = this.#mailbox.take(); next !== undefined; next = this.#mailbox.take()) next.answer(stopping);
  }

  #overloaded(): Answer {
    return { outcome: 'overloaded', retryAfterMs: this.#ports.retryAfterMs() };
  }
}

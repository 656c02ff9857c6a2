import type { RunId } from '../../events/ids.ts';
import type { Message } from '../../transport/transport.ts';
import type { Deadline } from '../deadline.ts';

/** What a node can read: the generations of events (`events/generations.ts`) and of messages (`envelope.ts`). */
export interface Generations {
  readonly events: number;
  readonly messages: number;
}

export const phases = ['joining', 'serving', 'leaving', 'gone'] as const;
/** Shards are placed on actor nodes that serve; `gone` is the last word of a node. */
export type Phase = (typeof phases)[number];

/** What a node tells about itself, a few times a second and whenever it changes. */
export interface Heartbeat {
  readonly id: string;
  readonly roles: readonly string[];
  /** Milliseconds since the epoch, by the node's own clock. */
  readonly startedAt: number;
  /** Rises with each heartbeat of the node, so that a late one is known. */
  readonly seq: number;
  readonly phase: Phase;
  /** The node does not hear what it says itself, so that it would not hear a command either. */
  readonly deaf: boolean;
  /** How often it has lost its connection: what it was asked before gets no answer. */
  readonly losses: number;
  /** What the node's clocks showed when it spoke. */
  readonly clocks: Deadline;
  readonly understands: Generations;
  /** The run of the system that an actor node takes part in; null for others. */
  readonly run: RunId | null;
  readonly activeActors: number;
  readonly commandsPerSecond: number;
}

/** Are shards placed on it? */
export function takesCommands({ roles, phase, deaf }: Pick<Heartbeat, 'roles' | 'phase' | 'deaf'>): boolean {
  return phase === 'serving' && !deaf && roles.includes('actors');
}

const type = 'Heartbeat';
// Every node must be able to read every other one's for ever, or it would hold it dead: fields are added, the format is not raised.
const format = 1;

export function heartbeatMessage(heartbeat: Heartbeat): Message {
  return { type, format, body: heartbeat };
}

/** Made anew of checked parts; undefined when it is none. */
export function parseHeartbeat(message: Message): Heartbeat | undefined {
  const { body } = message;
  if (message.type !== type || message.format !== format || !isRecord(body)) return undefined;
  // Nodes that do not tell their losses yet may be there as well.
  const { id, roles, startedAt, seq, phase, deaf, losses = 0, clocks, understands, run, activeActors, commandsPerSecond } = body;
  if (typeof id !== 'string' || !/^[\w-]{1,64}$/.test(id)) return undefined;
  if (!Array.isArray(roles) || !roles.every((role) => typeof role === 'string')) return undefined;
  if (!isNumber(startedAt) || !isNumber(seq) || !isNumber(losses) || !isNumber(activeActors) || !isNumber(commandsPerSecond))
    return undefined;
  if (!phases.includes(phase as Phase) || typeof deaf !== 'boolean' || !(run === null || typeof run === 'string')) return undefined;
  if (!isRecord(clocks) || !isNumber(clocks['monotonicMs']) || !isNumber(clocks['wallMs'])) return undefined;
  if (!isRecord(understands) || !isGeneration(understands['events']) || !isGeneration(understands['messages'])) return undefined;
  return {
    id,
    roles,
    startedAt,
    seq,
    phase: phase as Phase,
    deaf,
    losses,
    clocks: { monotonicMs: clocks['monotonicMs'], wallMs: clocks['wallMs'] },
    understands: { events: understands['events'], messages: understands['messages'] },
    run: run as RunId | null,
    activeActors,
    commandsPerSecond,
  };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

/** For a node that understands no format there is, senders would look for one without end. */
function isGeneration(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 1;
}

function isNumber(value: unknown): value is number {
  return Number.isFinite(value);
}

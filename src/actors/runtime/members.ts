import type { RunId } from '../../events/ids.ts';
import type { Deadline } from '../deadline.ts';
import type { Generations, Heartbeat } from './heartbeat.ts';

/** A node that commands can be sent to. */
export interface Peer {
  readonly id: string;
  /** What its clocks show more than the monotonic clock of this node; too little by the time that its last heartbeat was on the way. */
  readonly ahead: Deadline;
}

/** A node of the cluster as this one sees it, for people to look at. */
export interface Member extends Omit<Heartbeat, 'seq' | 'clocks'> {
  /** Milliseconds since the epoch, by the clock of this node. */
  readonly lastSeenAt: number;
  /** By the placement of this node. */
  readonly shards: readonly number[];
}

export interface Membership {
  readonly nodeId: string;
  /** All nodes that are held alive, this one first. */
  members(): readonly Member[];
  /** Who serves the shard; undefined while no node is known that could. */
  ownerOf(shard: number): Peer | undefined;
  /** Shall this node serve the shard now? */
  owns(shard: number): boolean;
  /** This node does not hear itself, and so nobody else. */
  isCutOff(): boolean;
  /** It is there, and says that it hears what it is asked. */
  isAnswering(nodeId: string): boolean;
  /**
   * Counts the connections that another node has lost, as far as this one has heard: answers to what it was asked before do not come. Always 0 of this node
   * itself, whose transport ends what it has asked.
   */
  lossesOf(nodeId: string): number;
  /** What every node of the cluster can read; the oldest of all while this node may not have heard from everybody. */
  understood(): Generations;
  /** Called after each change of who is there or who owns what; the function that comes back ends that. */
  onChange(listener: () => void): () => void;
  /** Aborts at the next change. */
  nextChange(): AbortSignal;
  /** Resolves when every live node has had the time to be heard. */
  settled(): Promise<void>;
  /** From now on this node takes the commands of its share. */
  serve(): void;
  /** The run of the system that this node takes part in, told to the others at once. */
  takePartIn(run: RunId | null): void;
  /** Tells everybody that this node takes no commands any more. */
  leave(): void;
  /** Says goodbye. */
  stop(): Promise<void>;
}

export interface Load {
  readonly activeActors: number;
  /** Since the node began. */
  readonly commandsAnswered: number;
}

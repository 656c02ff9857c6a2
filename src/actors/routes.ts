import assert from 'node:assert/strict';
import type { Clock } from '../clock.ts';
import type { NonEmpty } from '../events/event-log.ts';
import { limits } from '../limits.ts';
import { LinkedList } from '../linked-list.ts';
import { commandSubject, shardCount } from '../transport/subjects.ts';
import { NoResponders, RequestTimeout } from '../transport/transport.ts';
import type { Message, Transport } from '../transport/transport.ts';
import type { CommandEnvelope } from './commands.ts';
import { commandFormats, commandMessage, newestFormat } from './envelope.ts';
import type { CommandFormats } from './envelope.ts';
import type { Membership } from './runtime/members.ts';

/** The way to the owner of each shard, by the view of this node: one that is held dead is asked nothing, even if it only stands still. */
export interface Routes {
  /** How many wishes of one user every node can read in one message now. */
  togetherMax(): number;
  /** Can every node read these in a message now? */
  holds(wishes: NonEmpty<Wish>): boolean;
  /**
   * Sends wishes of one user, at most `togetherMax()`, to the owner of the shard, with a deadline in its clocks. @throws what a request throws:
   * NoResponders also when no owner is known or it did not answer its door a moment ago, RequestTimeout as soon as it is held dead, or says that it
   * does not hear, or has lost its connection since.
   */
  ask(shard: number, wishes: NonEmpty<Wish>, timeoutMs: number): Promise<Message>;
}

/** A command on its way to whoever serves its user. */
export type Wish = Omit<CommandEnvelope, 'deadline'>;

export function createRoutes(ports: {
  transport: Transport;
  space: string;
  clock: Clock;
  membership: Membership;
  formats?: CommandFormats;
}): Routes {
  const { transport, space, clock, membership, formats = commandFormats } = ports;
  const newest = newestFormat(formats);
  /** By shard; made once for each owner, since to find who serves a text that was just put together all of it has to be read. */
  const routes: { nodeId: string; subject: string }[] = [];
  /** What ends the wait for a node's answers, by node, since it last lost its connection. */
  const waits = new Map<string, { readonly losses: number; readonly ends: LinkedList<(error: Error) => void> }>();
  /** Until when nobody knocks again, by node; on the monotonic clock. */
  const suspects = new Map<string, number>();

  membership.onChange(() => {
    for (const id of suspects.keys()) if (!membership.isAnswering(id)) suspects.delete(id);
    for (const [id, { losses, ends }] of waits) {
      if (membership.isAnswering(id) && membership.lossesOf(id) === losses) continue;
      waits.delete(id);
      const gone = new RequestTimeout(`${id} is held dead, does not hear, or has lost its connection`);
      for (const end of ends.drain()) end(gone);
    }
  });

  function subjectOf(shard: number, nodeId: string): string {
    const known = routes[shard];
    if (known?.nodeId === nodeId) return known.subject;
    // All at once, so that the array has no holes.
    if (routes.length < shardCount) for (let each = 0; each < shardCount; each++) routes[each] = { nodeId: '', subject: '' };
    const subject = commandSubject(space, nodeId, shard);
    routes[shard] = { nodeId, subject };
    return subject;
  }

  function waitsOf(nodeId: string): LinkedList<(error: Error) => void> {
    const known = waits.get(nodeId);
    if (known !== undefined) return known.ends;
    const ends = new LinkedList<(error: Error) => void>();
    waits.set(nodeId, { losses: membership.lossesOf(nodeId), ends });
    return ends;
  }

  function isSuspect(nodeId: string): boolean {
    const until = suspects.get(nodeId);
    if (until === undefined) return false;
    if (until > clock.monotonicMs()) return true;
    suspects.delete(nodeId);
    return false;
  }

  /** The newest that every node can read. */
  function formatNow(): number {
    let format = Math.min(newest, membership.understood().messages);
    while (formats[format] === undefined) format--;
    return format;
  }

  return {
    togetherMax: () => formats[formatNow()]!.commandsMax,
    holds(wishes) {
      const format = formats[formatNow()]!;
      return wishes.every(({ command }) => format.holds(command));
    },
    ask(shard, [first, ...others], timeoutMs) {
      const owner = membership.ownerOf(shard);
      if (owner === undefined) return Promise.reject(new NoResponders('no actor node is known'));
      const { id, ahead } = owner;
      if (isSuspect(id)) return Promise.reject(new NoResponders(`${id} did not answer its door`));
      const format = formatNow();
      assert(others.length < formats[format]!.commandsMax, 'a message holds fewer commands');
      const overAt = clock.monotonicMs() + timeoutMs - limits.commandDriftMs;
      const deadline = { monotonicMs: overAt + ahead.monotonicMs, wallMs: overAt + ahead.wallMs };
      const until = ({ userId, commandId, clientChose, command }: Wish) => ({ userId, commandId, clientChose, deadline, command });
      const message = commandMessage([until(first), ...others.map(until)], format, formats);
      return new Promise((resolve, reject) => {
        const waiting = waitsOf(id);
        const link = waiting.add(reject);
        transport.request(subjectOf(shard, id), message, { timeoutMs }).then(
          (reply) => {
            waiting.remove(link);
            resolve(reply);
          },
          (error: Error) => {
            waiting.remove(link);
            if (error instanceof NoResponders) suspects.set(id, clock.monotonicMs() + limits.suspectMs);
            reject(error);
          },
        );
      });
    },
  };
}

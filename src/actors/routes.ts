import type { Clock } from '../clock.ts';
import { limits } from '../limits.ts';
import { commandSubject, shardCount } from '../transport/subjects.ts';
import { NoResponders, RequestTimeout } from '../transport/transport.ts';
import type { Message, Transport } from '../transport/transport.ts';
import type { Deadline } from './deadline.ts';
import type { Membership } from './runtime/members.ts';

/** The way to the owner of each shard, by the view of this node: one that is held dead is asked nothing, even if it only stands still. */
export interface Routes {
  /**
   * Asks the owner of the shard; `message` is made for its clocks. @throws what a request throws: NoResponders also when no owner is known or it did
   * not answer its door a moment ago, RequestTimeout as soon as it is held dead.
   */
  ask(shard: number, message: (deadline: Deadline) => Message, timeoutMs: number): Promise<Message>;
}

export function createRoutes(ports: { transport: Transport; space: string; clock: Clock; membership: Membership }): Routes {
  const { transport, space, clock, membership } = ports;
  /** By shard; made once for each owner, since to find who serves a text that was just put together all of it has to be read. */
  const routes: { nodeId: string; subject: string }[] = [];
  /** What ends the wait for a node's answers, by node. */
  const waits = new Map<string, Set<() => void>>();
  /** Until when nobody knocks again, by node; on the monotonic clock. */
  const suspects = new Map<string, number>();

  membership.onChange(() => {
    for (const id of suspects.keys()) if (!membership.isAlive(id)) suspects.delete(id);
    for (const [id, ends] of waits) {
      if (membership.isAlive(id)) continue;
      waits.delete(id);
      for (const end of ends) end();
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

  function waitsOf(nodeId: string): Set<() => void> {
    const known = waits.get(nodeId);
    if (known !== undefined) return known;
    const made = new Set<() => void>();
    waits.set(nodeId, made);
    return made;
  }

  function isSuspect(nodeId: string): boolean {
    const until = suspects.get(nodeId);
    if (until === undefined) return false;
    if (until > clock.monotonicMs()) return true;
    suspects.delete(nodeId);
    return false;
  }

  return {
    ask(shard, message, timeoutMs) {
      const owner = membership.ownerOf(shard);
      if (owner === undefined) return Promise.reject(new NoResponders('no actor node is known'));
      const { id, ahead } = owner;
      if (isSuspect(id)) return Promise.reject(new NoResponders(`${id} did not answer its door`));
      const overAt = clock.monotonicMs() + timeoutMs - limits.commandDriftMs;
      const sent = message({ monotonicMs: overAt + ahead.monotonicMs, wallMs: overAt + ahead.wallMs });
      return new Promise((resolve, reject) => {
        const waiting = waitsOf(id);
        const end = () => reject(new RequestTimeout(`${id} is held dead`));
        waiting.add(end);
        transport.request(subjectOf(shard, id), sent, { timeoutMs }).then(
          (reply) => {
            waiting.delete(end);
            resolve(reply);
          },
          (error: Error) => {
            waiting.delete(end);
            if (error instanceof NoResponders) suspects.set(id, clock.monotonicMs() + limits.suspectMs);
            reject(error);
          },
        );
      });
    },
  };
}

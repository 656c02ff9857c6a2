import type { Clock } from '../../clock.ts';
import { limits } from '../../limits.ts';
import { membersSubject } from '../../transport/subjects.ts';
import type { Transport } from '../../transport/transport.ts';
import { parseHeartbeat, takesCommands } from './heartbeat.ts';
import type { Heartbeat } from './heartbeat.ts';
import type { Member } from './members.ts';
import { place } from './placement.ts';

/** The nodes of a system for who only listens, and is none of them: for as long as a live node may be silent. Oldest first. */
export async function listenToMembers(
  { transport, space, clock }: { readonly transport: Transport; readonly space: string; readonly clock: Clock },
  signal: AbortSignal,
): Promise<readonly Member[]> {
  const heard = new Map<string, { readonly heartbeat: Heartbeat; readonly lastSeenAt: number }>();
  const stop = await transport.subscribe(membersSubject(space), (message) => {
    const heartbeat = parseHeartbeat(message);
    if (heartbeat === undefined || heartbeat.seq <= (heard.get(heartbeat.id)?.heartbeat.seq ?? 0)) return;
    if (heartbeat.phase === 'gone') heard.delete(heartbeat.id);
    else if (heard.has(heartbeat.id) || heard.size < limits.membersMax) heard.set(heartbeat.id, { heartbeat, lastSeenAt: clock.now() });
  });
  await clock.sleep(limits.memberSilentMs, signal);
  await stop();
  const members = [...heard.values()];
  const owners = place(members.filter(({ heartbeat }) => takesCommands(heartbeat)).map(({ heartbeat }) => heartbeat.id));
  return members
    .map(({ heartbeat: { seq: _seq, clocks: _clocks, ...rest }, lastSeenAt }) => {
      const shards = owners.flatMap((owner, shard) => (owner === rest.id ? [shard] : []));
      return { ...rest, lastSeenAt, shards };
    })
    .toSorted((a, b) => a.startedAt - b.startedAt);
}

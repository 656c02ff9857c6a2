import { setMaxListeners } from 'node:events';
import type { Clock } from '../../clock.ts';
import type { RunId } from '../../events/ids.ts';
import { limits } from '../../limits.ts';
import type { Logger } from '../../logger.ts';
import type { Metrics } from '../../metrics.ts';
import { membersSubject } from '../../transport/subjects.ts';
import type { Message, Transport } from '../../transport/transport.ts';
import { clocksOf } from '../deadline.ts';
import type { Deadline } from '../deadline.ts';
import { heartbeatMessage, parseHeartbeat, takesCommands } from './heartbeat.ts';
import type { Generations, Heartbeat, Phase } from './heartbeat.ts';
import type { Load, Member, Membership, Peer } from './members.ts';
import { place } from './placement.ts';
import { createRarely } from './rarely.ts';

// Who is there, as one node sees it. Nodes speak a few times a second; who hears a stranger speaks at once, so that a newcomer knows all others
// within a round trip. A goodbye counts at once, silence after `limits.memberSilentMs` by the clock of whoever listens: clocks of nodes are never compared.
//
// A node that does not hear what it says itself is deaf: cut off, or stopped until a moment ago. It owns nothing and holds nobody dead, for it cannot
// know, and it says so, in case that others still hear it. When it hears again, everybody gets the whole time once more to be heard.
//
// Views of nodes differ for moments, and two may serve one user: that costs a retry, since every append is fenced by the expected version.

export interface MembershipPorts {
  readonly transport: Transport;
  readonly space: string;
  /** `id`: made anew for each start of a process; `startedAt`: milliseconds since the epoch. */
  readonly node: { readonly id: string; readonly roles: readonly string[]; readonly startedAt: number };
  readonly understands: Generations;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics?: Pick<Metrics, 'malformedMessages'>;
  describe(): Load;
}

interface Other {
  readonly id: string;
  heartbeat: Heartbeat;
  ahead: Deadline;
  /** On the monotonic clock of this node. */
  heardAt: number;
}

const oldest: Generations = { events: 1, messages: 1 };

export async function startMembership(ports: MembershipPorts): Promise<Membership> {
  const { transport, clock, logger, node, understands } = ports;
  const subject = membersSubject(ports.space);
  const others = new Map<string, Other>();
  const listeners = new Set<() => void>();
  const strange = createRarely(clock, limits.malformedLogIntervalMs);
  const myself = { id: node.id, ahead: aheadOf(clocksOf(clock)) };
  let phase: Phase = node.roles.length > 0 ? 'joining' : 'serving';
  let run: RunId | null = null;
  let seq = 0;
  let spokeAt = -Infinity;
  /** When the last heartbeat of ours that came back was sent. */
  let echoedAt = clock.monotonicMs();
  let hearingSince = echoedAt;
  let wasDeaf = false;
  let owners: readonly (Peer | undefined)[] = [];
  let placedOn = '';
  let change = nextChange();
  let sleep = new AbortController();
  const ended = new AbortController();
  let rate = { perSecond: 0, at: echoedAt, answered: 0 };

  const isDeaf = () => clock.monotonicMs() - echoedAt > limits.memberSilentMs;

  function aheadOf(clocks: Deadline): Deadline {
    const now = clock.monotonicMs();
    return { monotonicMs: clocks.monotonicMs - now, wallMs: clocks.wallMs - now };
  }

  function mine(): Heartbeat {
    const { activeActors, commandsAnswered } = ports.describe();
    const now = clock.monotonicMs();
    if (now - rate.at >= limits.heartbeatMs / 2) {
      rate = { perSecond: ((commandsAnswered - rate.answered) * 1000) / (now - rate.at), at: now, answered: commandsAnswered };
    }
    const load = { activeActors, commandsPerSecond: rate.perSecond };
    return { ...node, seq, phase, deaf: wasDeaf, losses: transport.losses(), clocks: clocksOf(clock), understands, run, ...load };
  }

  function speak(): void {
    seq++;
    spokeAt = clock.monotonicMs();
    myself.ahead = aheadOf(clocksOf(clock));
    transport.publish(subject, heartbeatMessage(mine()));
  }

  function changed(): void {
    const serving = [...others.values()].filter(({ heartbeat }) => takesCommands(heartbeat)).map(({ id }) => id);
    if (takesCommands({ roles: node.roles, phase, deaf: wasDeaf })) serving.push(node.id);
    const key = serving.toSorted().join(' ');
    if (key !== placedOn) {
      placedOn = key;
      owners = place(serving).map((id) => (id === node.id ? myself : others.get(id)));
    }
    const before = change;
    change = nextChange();
    before.abort();
    for (const listener of listeners) listener();
  }

  function hear(message: Message): void {
    const heartbeat = parseHeartbeat(message);
    if (heartbeat === undefined) {
      ports.metrics?.malformedMessages.inc();
      const { type, format } = message;
      return strange((skipped) => logger.warn({ type, format, skipped }, 'ignored a message that is no heartbeat of this version'));
    }
    if (heartbeat.id === node.id) return hearMyself(heartbeat);
    const known = others.get(heartbeat.id);
    if (known !== undefined && heartbeat.seq <= known.heartbeat.seq) return;
    if (heartbeat.phase === 'gone') {
      if (others.delete(heartbeat.id)) logger.info({ node: heartbeat.id, roles: heartbeat.roles }, 'a node has left');
      return changed();
    }
    if (known === undefined) return meet(heartbeat);
    const before = known.heartbeat;
    Object.assign(known, { heartbeat, ahead: aheadOf(heartbeat.clocks), heardAt: clock.monotonicMs() });
    if (before.phase !== heartbeat.phase || before.deaf !== heartbeat.deaf || before.losses !== heartbeat.losses) changed();
  }

  function meet(heartbeat: Heartbeat): void {
    const { id, roles } = heartbeat;
    if (others.size + 1 >= limits.membersMax) {
      return strange((skipped) => logger.error({ node: id, skipped }, `there are ${limits.membersMax} nodes already: this one is ignored`));
    }
    others.set(id, { id, heartbeat, ahead: aheadOf(heartbeat.clocks), heardAt: clock.monotonicMs() });
    logger.info({ node: id, roles }, 'a node is there');
    changed();
    sleep.abort();
  }

  function hearMyself({ clocks, seq: heard }: Heartbeat): void {
    // Anybody can write to the subject, and an echo of the future would hide that we are deaf.
    if (heard > seq) return;
    echoedAt = Math.max(echoedAt, clocks.monotonicMs);
    if (!wasDeaf || isDeaf()) return;
    wasDeaf = false;
    hearingSince = clock.monotonicMs();
    logger.info({}, 'this node hears the others again');
    changed();
    speak();
  }

  function look(): void {
    if (isDeaf()) {
      if (wasDeaf) return;
      wasDeaf = true;
      logger.warn({}, 'this node does not hear itself: it is cut off, or was stopped, and serves nobody until it does');
      return changed();
    }
    const before = clock.monotonicMs() - limits.memberSilentMs;
    if (hearingSince > before) return;
    const silent = [...others.values()].filter(({ heardAt }) => heardAt < before);
    if (silent.length === 0) return;
    for (const { id, heartbeat } of silent) {
      others.delete(id);
      logger.warn({ node: id, roles: heartbeat.roles }, 'a node is silent and held dead');
    }
    changed();
  }

  async function live(): Promise<void> {
    while (!ended.signal.aborted) {
      look();
      speak();
      sleep = new AbortController();
      await clock.sleep(limits.heartbeatMs, sleep.signal);
      const restMs = spokeAt + limits.heartbeatGapMs - clock.monotonicMs();
      if (restMs > 0) await clock.sleep(restMs, ended.signal);
    }
  }

  function view(heartbeat: Heartbeat, heardAt: number): Member {
    const { seq: _seq, clocks: _clocks, ...rest } = heartbeat;
    const shards = owners.flatMap((owner, shard) => (owner?.id === heartbeat.id ? [shard] : []));
    return { ...rest, lastSeenAt: clock.now() - Math.round(clock.monotonicMs() - heardAt), shards };
  }

  function enter(next: Phase): void {
    if (phase === 'leaving' && next === 'serving') return;
    phase = next;
    changed();
    speak();
  }

  const unsubscribe = await transport.subscribe(subject, hear);
  const living = live();

  async function stop(): Promise<void> {
    enter('gone');
    ended.abort();
    sleep.abort();
    await Promise.all([living, unsubscribe()]);
  }

  let stopping: Promise<void> | undefined;
  return {
    nodeId: node.id,
    members: () => [view(mine(), clock.monotonicMs()), ...[...others.values()].map(({ heartbeat, heardAt }) => view(heartbeat, heardAt))],
    ownerOf: (shard) => owners[shard],
    owns: (shard) => owners[shard] === myself && !isDeaf(),
    isCutOff: isDeaf,
    isAnswering: (id) => id === node.id || others.get(id)?.heartbeat.deaf === false,
    lossesOf: (id) => others.get(id)?.heartbeat.losses ?? 0,
    understood() {
      if (isDeaf() || clock.monotonicMs() - hearingSince < limits.memberSilentMs) return oldest;
      let { events, messages } = understands;
      for (const { heartbeat } of others.values()) {
        events = Math.min(events, heartbeat.understands.events);
        messages = Math.min(messages, heartbeat.understands.messages);
      }
      return { events, messages };
    },
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    nextChange: () => change.signal,
    settled: () => clock.sleep(limits.membersSettleMs),
    serve: () => enter('serving'),
    takePartIn(taken) {
      run = taken;
      speak();
    },
    leave: () => enter('leaving'),
    stop: () => (stopping ??= stop()),
  };
}

/** Every command that waits for a retry listens: that many are no leak. */
function nextChange(): AbortController {
  const change = new AbortController();
  setMaxListeners(0, change.signal);
  return change;
}

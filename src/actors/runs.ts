import type { Clock } from '../clock.ts';
import { AppendOutcomeUnknown, WrongExpectedVersion } from '../events/event-log.ts';
import type { EventLog, ExpectedVersion, NewCommit, RecordedCommit } from '../events/event-log.ts';
import type { RunEvent } from '../events/event-types.ts';
import { newRunId, runsStream } from '../events/ids.ts';
import type { RunId } from '../events/ids.ts';
import { limits } from '../limits.ts';
import type { Random } from '../random.ts';
import type { Membership } from './runtime/members.ts';

export interface Run {
  readonly id: RunId;
  /** False when another node was faster: its run is joined. */
  readonly begun: boolean;
}

interface Now {
  readonly head: ExpectedVersion;
  readonly lastTime: number;
  readonly open: { readonly id: RunId; readonly startedAt: number } | undefined;
}

/**
 * Begins a run of the system, or joins the open one if a live node takes part in it. A run that a dead system left open is closed in the same
 * commit, at the time of the log's last event. When several nodes begin one at the same moment, the expected version lets one of them win, and
 * the others join it.
 */
export async function beginRun(ports: {
  log: EventLog;
  clock: Clock;
  random: Random;
  label: string;
  membership: Pick<Membership, 'nodeId' | 'members' | 'takePartIn'>;
}): Promise<Run> {
  const { membership } = ports;
  const id = newRunId(ports.clock, ports.random);
  // Told before it stands in the log, so that nobody who finds it there takes its nodes for dead.
  membership.takePartIn(id);
  const run = await begin(id, ports);
  if (!run.begun) membership.takePartIn(run.id);
  return run;
}

async function begin(id: RunId, ports: Parameters<typeof beginRun>[0]): Promise<Run> {
  const { log, clock, label, membership } = ports;
  const started: RunEvent = { type: 'RunStarted', runId: id, label };
  let before: RunId | undefined;

  for (let tries = 0; tries < limits.decideTriesMax; tries++) {
    const now = await readNow(log);
    if (now.open?.id === id) return { id, begun: true };
    // On the second try an open run that was not there on the first is the winner's.
    const isWinners = tries > 0 && now.open?.id !== before;
    if (now.open && (isWinners || othersIn(now.open.id, membership))) return { id: now.open.id, begun: false };
    before = now.open?.id;
    const time = Math.max(clock.now(), now.lastTime);
    if (now.open === undefined) {
      if (await appended(log, now, { time, events: [started] })) return { id, begun: true };
    } else {
      const endedAt = Math.max(now.open.startedAt, (await log.tail())?.time ?? now.lastTime);
      const end: RunEvent = { type: 'RunEnded', runId: now.open.id, endedAt };
      if (await appended(log, now, { time, events: [end, started] })) return { id, begun: true };
    }
  }
  throw new AppendOutcomeUnknown('the run could not be begun: other writers were faster each time');
}

/** Ends a run unless others go on with it; one that has ended already is left as it is. */
export async function endRun(ports: {
  log: EventLog;
  clock: Clock;
  run: RunId;
  membership: Pick<Membership, 'nodeId' | 'members' | 'takePartIn'>;
}): Promise<void> {
  const { log, clock, run, membership } = ports;
  membership.takePartIn(null);
  if (othersIn(run, membership)) return;
  for (let tries = 0; tries < limits.decideTriesMax; tries++) {
    const now = await readNow(log);
    if (now.open?.id !== run) return;
    const time = Math.max(clock.now(), now.lastTime);
    if (await appended(log, now, { time, events: [{ type: 'RunEnded', runId: run, endedAt: time }] })) return;
  }
  throw new AppendOutcomeUnknown('the run could not be ended: other writers were faster each time');
}

function othersIn(run: RunId, membership: Pick<Membership, 'nodeId' | 'members'>): boolean {
  return membership.members().some((member) => member.id !== membership.nodeId && member.run === run && member.phase !== 'leaving');
}

/** True when it was appended for certain; otherwise look again before the next try. */
async function appended(log: EventLog, now: Now, commit: NewCommit): Promise<boolean> {
  try {
    await log.append(runsStream, now.head, commit);
    return true;
  } catch (error) {
    if (error instanceof WrongExpectedVersion || error instanceof AppendOutcomeUnknown) return false;
    throw error;
  }
}

/** The last event says it all: a run that has begun and not ended is open. */
async function readNow(log: EventLog): Promise<Now> {
  const head = await log.head(runsStream);
  let last: RecordedCommit | undefined;
  if (head !== 'no-stream') for await (const batch of log.read(runsStream, head.version)) last = batch.at(-1) ?? last;
  if (last === undefined) return { head: 'no-stream', lastTime: 0, open: undefined };
  const event = last.events.at(-1);
  return { head, lastTime: last.time, open: event?.type === 'RunStarted' ? { id: event.runId, startedAt: last.time } : undefined };
}

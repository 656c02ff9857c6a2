import type { Clock } from '../../clock.ts';
import type { RecordedCommit } from '../../events/event-log.ts';
import type { EventType } from '../../events/event-types.ts';
import type { Metrics } from '../../metrics.ts';
import type { MeterCounts } from '../../transport/meter-reports.ts';
import { LiveStream } from './live-stream.ts';
import type { Pushed } from './pushed.ts';

export interface ThroughputSample {
  /** The end of the window, milliseconds since the epoch. */
  readonly at: number;
  readonly windowMs: number;
  readonly commandsPerSecond: number;
  readonly eventsPerSecond: number;
  readonly projectedPerSecond: number;
  readonly pushedPerSecond: number;
  /** The types that there were any of. */
  readonly byType: readonly {
    readonly type: string;
    readonly amount: number;
    readonly perSecond: number;
    readonly peakPerSecond: number;
  }[];
}

/** A sample as it is pushed. */
export interface PushedSample extends Pushed {
  readonly throughput: ThroughputSample;
}

export type ThroughputStream = LiveStream<PushedSample>;

interface Totals {
  commands: number;
  projected: number;
  pushed: number;
  events: number;
  readonly byType: Map<EventType, number>;
}

/** The peak is the rate of a window's busiest second; a window of less than a second has only its own. */
const sliceMsMax = 1_000;

/**
 * Figures over a window, for whoever subscribed with it: one timer for each length of window that somebody wants, none for nobody. Events are counted
 * as they come from the log, without the bookkeeping of runs; everything else as the nodes report it.
 */
export function createThroughput({ clock, metrics }: { clock: Clock; metrics: Metrics }) {
  const totals: Totals = { commands: 0, projected: 0, pushed: 0, events: 0, byType: new Map() };
  const samplers = new Map<number, { readonly streams: Set<ThroughputStream>; readonly stop: AbortController }>();

  function open(everyMs: number): ThroughputStream {
    const sampler = samplers.get(everyMs) ?? { streams: new Set(), stop: new AbortController() };
    const stream: ThroughputStream = new LiveStream({
      onEnd() {
        metrics.subscribers.dec({ field: 'throughput' });
        sampler.streams.delete(stream);
        if (sampler.streams.size > 0) return;
        sampler.stop.abort();
        samplers.delete(everyMs);
      },
    });
    metrics.subscribers.inc({ field: 'throughput' });
    sampler.streams.add(stream);
    if (samplers.has(everyMs)) return stream;
    samplers.set(everyMs, sampler);
    void run(everyMs, sampler.streams, sampler.stop.signal);
    return stream;
  }

  async function run(everyMs: number, streams: ReadonlySet<ThroughputStream>, signal: AbortSignal): Promise<void> {
    const slices = Math.ceil(everyMs / sliceMsMax);
    const sliceMs = everyMs / slices;
    let due = clock.monotonicMs();
    while (!signal.aborted) {
      const began = clock.monotonicMs();
      const before = copyOf(totals);
      const peaks = new Map<EventType, number>();
      let slice = { began, byType: before.byType };
      for (let left = slices; left > 0; left -= 1) {
        // After a pause of the process the lost windows are left out, not made up for; and what is left of one is no window when it is less than half.
        due = Math.max(due, clock.monotonicMs() - sliceMs / 2) + sliceMs;
        await clock.sleep(Math.max(0, due - clock.monotonicMs()), signal);
        if (signal.aborted) return;
        const now = { began: clock.monotonicMs(), byType: new Map(totals.byType) };
        const seconds = Math.max(now.began - slice.began, 1) / 1_000;
        for (const [type, total] of now.byType) {
          const rate = (total - (slice.byType.get(type) ?? 0)) / seconds;
          peaks.set(type, Math.max(peaks.get(type) ?? 0, rate));
        }
        slice = now;
      }
      const sample = sampleOf(before, totals, Math.max(slice.began - began, 1), peaks, clock.now());
      const pushed: PushedSample = { loaded: true, gone: false, throughput: sample };
      for (const stream of streams) stream.push(pushed);
    }
  }

  return {
    open,
    countCommits(commits: readonly RecordedCommit[]): void {
      for (const { events } of commits) {
        for (const { type } of events) {
          if (type === 'RunStarted' || type === 'RunEnded') continue;
          totals.events += 1;
          totals.byType.set(type, (totals.byType.get(type) ?? 0) + 1);
        }
      }
    },
    countReport(report: MeterCounts): void {
      totals.commands += report.commandsAnswered;
      totals.projected += report.eventsProjected;
      totals.pushed += report.entriesPushed;
    },
    /** Ends every stream. `damage`: why there is nothing more to count. */
    close(damage?: Error): void {
      for (const stream of [...samplers.values()].flatMap(({ streams }) => [...streams])) {
        if (damage) stream.fail(damage);
        else stream.end();
      }
    },
  };
}

function copyOf(totals: Totals): Totals {
  return { ...totals, byType: new Map(totals.byType) };
}

function sampleOf(before: Totals, after: Totals, windowMs: number, peaks: ReadonlyMap<EventType, number>, at: number): ThroughputSample {
  const perSecond = (amount: number) => (amount * 1_000) / windowMs;
  const byType = [...after.byType]
    .map(([type, total]) => ({ type, amount: total - (before.byType.get(type) ?? 0) }))
    .filter(({ amount }) => amount > 0)
    .map(({ type, amount }) => ({ type, amount, perSecond: perSecond(amount), peakPerSecond: peaks.get(type) ?? 0 }))
    .toSorted((a, b) => a.type.localeCompare(b.type));
  return {
    at,
    windowMs: Math.round(windowMs),
    commandsPerSecond: perSecond(after.commands - before.commands),
    eventsPerSecond: perSecond(after.events - before.events),
    projectedPerSecond: perSecond(after.projected - before.projected),
    pushedPerSecond: perSecond(after.pushed - before.pushed),
    byType,
  };
}

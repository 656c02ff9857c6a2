import type { Clock } from '../clock.ts';
import { limits } from '../limits.ts';
import { metersSubject } from './subjects.ts';
import type { Message, Stop, Transport } from './transport.ts';

/** What the nodes count for the live throughput; events appended need no report, since every gateway follows the log. */
export const meterKinds = ['commandsAnswered', 'eventsProjected', 'entriesPushed'] as const;
export type MeterKind = (typeof meterKinds)[number];
export type MeterCounts = { readonly [kind in MeterKind]: number };

/** What one node counted since its last report. */
export interface MeterReport extends MeterCounts {
  readonly nodeId: string;
  /** Milliseconds since the epoch, by the node's own clock. */
  readonly at: number;
}

export interface Meters {
  /** Cheap: adds to a number that the next report carries. */
  count(kind: MeterKind, amount: number): void;
  /** Sends what is left. */
  stop: Stop;
}

const type = 'MeterReport';
const format = 1;

/** Tells the other nodes what this one does, every `limits.meterReportIntervalMs` while there is something to tell. */
export function startMeters(options: { transport: Transport; space: string; nodeId: string; clock: Clock }): Meters {
  const { transport, space, nodeId, clock } = options;
  const stopping = new AbortController();
  let counts = none();
  let wake = () => {};

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      if (isNone(counts)) await new Promise<void>((resolve) => (wake = resolve));
      await clock.sleep(limits.meterReportIntervalMs, stopping.signal);
      report();
    }
  }

  function report(): void {
    if (isNone(counts)) return;
    const body: MeterReport = { nodeId, at: clock.now(), ...counts };
    counts = none();
    transport.publish(metersSubject(space), { type, format, body });
  }

  const running = run();
  return {
    count(kind, amount) {
      counts[kind] += amount;
      if (amount > 0) wake();
    },
    async stop() {
      stopping.abort();
      wake();
      await running;
    },
  };
}

/** Hands out the reports of all nodes, this one's too, as they come; what is no report is left out. Sums over nodes are the caller's. */
export function subscribeMeters(options: { transport: Transport; space: string }, onReport: (report: MeterReport) => void): Promise<Stop> {
  return options.transport.subscribe(metersSubject(options.space), (message) => {
    const report = parseReport(message);
    if (report !== undefined) onReport(report);
  });
}

function parseReport(message: Message): MeterReport | undefined {
  if (message.type !== type || message.format !== format || typeof message.body !== 'object' || message.body === null) return undefined;
  const body = message.body as Partial<Record<keyof MeterReport, unknown>>;
  if (typeof body.nodeId !== 'string' || !isCount(body.at) || !meterKinds.every((kind) => isCount(body[kind]))) return undefined;
  return body as MeterReport;
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;
const none = (): Record<MeterKind, number> => ({ commandsAnswered: 0, eventsProjected: 0, entriesPushed: 0 });
const isNone = (counts: MeterCounts) => meterKinds.every((kind) => counts[kind] === 0);

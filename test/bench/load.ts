import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { build } from 'hdr-histogram-js';
import type { Histogram } from 'hdr-histogram-js';

// The load generator: HTTP/1.1 over raw sockets that stay open. A general client costs more per request than the gateway
// with a constant resolver does, and would measure itself.

/** What to send where. Request number `i` carries `tokens[i % tokens.length]` and `bodies[i % bodies.length]`. */
export interface LoadPlan {
  readonly port: number;
  readonly connections: number;
  /** Session tokens; empty: signed out. */
  readonly tokens: readonly string[];
  /** JSON of GraphQL requests. */
  readonly bodies: readonly string[];
  /** Must stand in every answer, or it counts as a failure. */
  readonly expect: string;
  /** The load ends after so long, or after so many requests, whichever comes first. */
  readonly forMs: number;
  readonly requestsMax?: number;
  /** Number of the first request, so that rounds go on where the one before ended. */
  readonly from?: number;
  /** Open loop: requests start by the clock, whether earlier ones were answered or not. Absent: closed loop, each connection at once again. */
  readonly ratePerSecond?: number;
}

export interface LoadResult {
  /** Answered well within the time. */
  readonly answered: number;
  readonly failed: number;
  /** The first answer that was not as expected, cut. */
  readonly firstFailure?: string;
  readonly elapsedMs: number;
  readonly perSecond: number;
  /** Milliseconds from the intended start of a request to the end of its answer; open loop alone. */
  readonly latencyMs?: Percentiles;
}

export interface Percentiles {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** How long stragglers may take after the end before the run is given up. */
const stragglersMs = 20_000;

/** Runs one load from this process. @throws when a connection breaks or stragglers never end. */
export async function runLoad(plan: LoadPlan): Promise<LoadResult> {
  const state = new LoadRun(plan);
  await Promise.all(Array.from({ length: plan.connections }, () => state.open()));
  return state.run();
}

class LoadRun {
  readonly #plan: LoadPlan;
  readonly #heads: readonly string[];
  readonly #tails: readonly string[];
  readonly #expect: Buffer;
  readonly #connections: Connection[] = [];
  readonly #idle: Connection[] = [];
  readonly #histogram: Histogram = build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: 120_000_000,
    numberOfSignificantValueDigits: 3,
  });
  /** Intended starts of requests that found no free connection, oldest first. */
  readonly #waiting: number[] = [];
  #waitingFrom = 0;
  #next: number;
  #sent = 0;
  #answered = 0;
  #failed = 0;
  #firstFailure: string | undefined;
  #outstanding = 0;
  #endsAt = Infinity;
  #allStarted = false;
  #lastAnswerAt = 0;
  #settle: { resolve: () => void; reject: (cause: Error) => void } | undefined;
  #broken: Error | undefined;

  constructor(plan: LoadPlan) {
    this.#plan = plan;
    const start = 'POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n';
    this.#heads = plan.tokens.length === 0 ? [start] : plan.tokens.map((token) => `${start}Authorization: Bearer ${token}\r\n`);
    this.#tails = plan.bodies.map((body) => `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
    this.#expect = Buffer.from(plan.expect);
    this.#next = plan.from ?? 0;
  }

  async open(): Promise<void> {
    const connection = await Connection.open(
      this.#plan.port,
      (status, body, from, to) => this.#onAnswer(connection, status, body, from, to),
      (cause) => this.#onBroken(cause),
    );
    this.#connections.push(connection);
  }

  async run(): Promise<LoadResult> {
    const { forMs, ratePerSecond } = this.#plan;
    const startedAt = performance.now();
    this.#endsAt = startedAt + forMs;
    try {
      await new Promise<void>((resolve, reject) => {
        this.#settle = { resolve, reject };
        if (this.#broken !== undefined) return reject(this.#broken);
        if (ratePerSecond === undefined) for (const connection of this.#connections) this.#send(connection, startedAt);
        else {
          this.#idle.push(...this.#connections);
          this.#tick(1_000 / ratePerSecond, startedAt);
        }
        setTimeout(() => reject(new Error(`load: ${this.#outstanding} requests were never answered`)), forMs + stragglersMs).unref();
      });
    } finally {
      for (const connection of this.#connections) connection.close();
    }
    // A load that ends by its number of requests ends with its last answer, one that ends by the clock with the clock.
    const elapsedMs = (this.#ended() ? Math.min(this.#lastAnswerAt, this.#endsAt) : this.#endsAt) - startedAt;
    return {
      answered: this.#answered,
      failed: this.#failed,
      ...(this.#firstFailure === undefined ? {} : { firstFailure: this.#firstFailure }),
      elapsedMs,
      perSecond: (this.#answered * 1_000) / elapsedMs,
      ...(ratePerSecond === undefined ? {} : { latencyMs: percentiles(this.#histogram) }),
    };
  }

  #ended(): boolean {
    return this.#sent >= (this.#plan.requestsMax ?? Infinity);
  }

  /** Starts what is due. A millisecond is as fine as timers are; since latency counts from the intended start, it is in the figure. */
  #tick(everyMs: number, dueAt: number): void {
    const now = performance.now();
    let due = dueAt;
    // Half a step early, since sums of fractions miss the end by a little.
    const last = this.#endsAt - everyMs / 2;
    for (; due <= now && due < last && !this.#ended(); due += everyMs) {
      const connection = this.#idle.pop();
      if (connection === undefined) this.#waiting.push(due);
      else this.#send(connection, due);
    }
    if (due < last && !this.#ended()) setTimeout(() => this.#tick(everyMs, due), 1);
    else {
      this.#allStarted = true;
      this.#finishIfDone();
    }
  }

  #send(connection: Connection, intendedAt: number): void {
    const index = this.#next++;
    this.#sent++;
    this.#outstanding++;
    connection.intendedAt = intendedAt;
    connection.send(this.#heads[index % this.#heads.length]! + this.#tails[index % this.#tails.length]!);
  }

  #onAnswer(connection: Connection, status: number, body: Buffer, from: number, to: number): void {
    const now = performance.now();
    this.#outstanding--;
    const found = body.indexOf(this.#expect, from);
    if (status !== 200 || found < 0 || found >= to) this.#onFailure(status, body.toString('utf8', from, Math.min(to, from + 400)));
    else if (this.#plan.ratePerSecond !== undefined) {
      this.#answered++;
      this.#histogram.recordValue(Math.max(1, Math.round((now - connection.intendedAt) * 1_000)));
    } else if (now <= this.#endsAt) this.#answered++;
    this.#lastAnswerAt = now;
    if (this.#plan.ratePerSecond === undefined) {
      if (now < this.#endsAt && !this.#ended()) return this.#send(connection, now);
    } else if (this.#waitingFrom < this.#waiting.length) return this.#send(connection, this.#waiting[this.#waitingFrom++]!);
    else this.#idle.push(connection);
    this.#finishIfDone();
  }

  #onFailure(status: number, body: string): void {
    this.#failed++;
    this.#firstFailure ??= `HTTP ${status}: ${body}`;
  }

  #finishIfDone(): void {
    // In the closed loop whoever sends no more comes here; the open loop says itself when it has started all.
    const allStarted = this.#allStarted || this.#plan.ratePerSecond === undefined;
    if (allStarted && this.#outstanding === 0 && this.#waitingFrom === this.#waiting.length) this.#settle?.resolve();
  }

  #onBroken(cause: Error): void {
    this.#broken = cause;
    this.#settle?.reject(cause);
  }
}

type OnAnswer = (status: number, body: Buffer, from: number, to: number) => void;

/** One keep-alive connection with one request on its way at a time. */
class Connection {
  intendedAt = 0;
  readonly #socket: Socket;
  readonly #onAnswer: OnAnswer;
  #pending: Buffer | undefined;

  private constructor(socket: Socket, onAnswer: OnAnswer, onBroken: (cause: Error) => void) {
    this.#socket = socket;
    this.#onAnswer = onAnswer;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.#onData(chunk));
    socket.on('error', onBroken);
    socket.on('end', () => onBroken(new Error('load: the server closed a connection')));
  }

  static async open(port: number, onAnswer: OnAnswer, onBroken: (cause: Error) => void): Promise<Connection> {
    const socket = connect({ port, host: '127.0.0.1' });
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return new Connection(socket, onAnswer, onBroken);
  }

  send(request: string): void {
    this.#socket.write(request);
  }

  close(): void {
    this.#socket.removeAllListeners('end').destroy();
  }

  #onData(chunk: Buffer): void {
    const data = this.#pending === undefined ? chunk : Buffer.concat([this.#pending, chunk]);
    const headEnd = data.indexOf('\r\n\r\n');
    if (headEnd >= 0) {
      const head = data.toString('latin1', 0, headEnd).toLowerCase();
      const at = head.indexOf('\r\ncontent-length:');
      if (at < 0) throw new Error(`load: an answer without a length: ${head}`);
      const end = headEnd + 4 + Number.parseInt(head.slice(at + 17), 10);
      if (data.length >= end) {
        this.#pending = undefined;
        return this.#onAnswer(Number.parseInt(head.slice(9, 12), 10), data, headEnd + 4, end);
      }
    }
    this.#pending = data;
  }
}

function percentiles(histogram: Histogram): Percentiles {
  const at = (percentile: number) => histogram.getValueAtPercentile(percentile) / 1_000;
  return { p50: at(50), p90: at(90), p99: at(99), p999: at(99.9), max: histogram.maxValue / 1_000 };
}

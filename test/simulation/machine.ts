import type { Clock } from '../../src/clock.ts';
import type { Random } from '../../src/random.ts';

/**
 * What one process runs on: its own clocks, which are wrong, and a life that others end or interrupt. While it is stopped nothing of it runs; what fell due and
 * what arrived meanwhile happens when it goes on. A crashed one never does anything again.
 */
export interface Machine {
  readonly clock: Clock;
  readonly stopped: boolean;
  readonly crashed: boolean;
  /** Something comes in from outside: a message, an answer of the log. */
  arrive(work: () => void): void;
  /** What the outside promises, as this machine gets to see it. */
  sees<T>(outside: Promise<T>): Promise<T>;
  stop(): void;
  goOn(): void;
  crash(): void;
  /** Its clock on the wall is put forward or back. */
  setWall(byMs: number): void;
}

export function createMachine(world: Clock, random: Random): Machine {
  // Minutes apart, on monotonic clocks that began whenever, and run up to one in two thousand too fast or too slow.
  let wallAhead = (random.float() - 0.5) * 600_000;
  const began = random.float() * 1e9;
  const speed = 1 + (random.float() - 0.5) / 1_000;
  let stopped = false;
  let crashed = false;
  let due: (() => void)[] = [];
  let arrived: (() => void)[] = [];

  function happen(held: (() => void)[], work: () => void): void {
    if (crashed) return;
    if (stopped) held.push(work);
    else work();
  }

  const arrive = (work: () => void) => happen(arrived, work);
  const monotonicMs = () => began + (world.monotonicMs() - startMs) * speed;
  const startMs = world.monotonicMs();
  return {
    clock: {
      now: () => Math.floor(world.now() + wallAhead),
      monotonicMs,
      sleep: (ms, signal) =>
        new Promise((resolve) => {
          void world.sleep(ms / speed, signal).then(() => happen(due, resolve));
        }),
    },
    get stopped() {
      return stopped;
    },
    get crashed() {
      return crashed;
    },
    arrive,
    sees: (outside) =>
      new Promise((resolve, reject) => {
        outside.then(
          (value) => arrive(() => resolve(value)),
          (error: Error) => arrive(() => reject(error)),
        );
      }),
    stop() {
      stopped = true;
    },
    goOn() {
      stopped = false;
      // Timers first, or the socket first: a process that was stopped while it waited for either does either.
      const held = random.float() < 0.5 ? [...due, ...arrived] : [...arrived, ...due];
      due = [];
      arrived = [];
      for (const work of held) happen(due, work);
    },
    crash() {
      crashed = true;
    },
    setWall(byMs) {
      wallAhead += byMs;
    },
  };
}

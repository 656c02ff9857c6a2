import { execFileSync } from 'node:child_process';
import { cpus, loadavg, platform, release, totalmem } from 'node:os';
import type { Percentiles } from './load.ts';

/** What one scenario found: one line of the table, one bar of the chart. */
export interface Result {
  readonly scenario: string;
  readonly title: string;
  /** What is compared with the target: mostly a ratio to the floor, the median of the rounds. */
  readonly measured: Spread;
  /** `x`: times the floor; or a unit such as `B`. */
  readonly unit: string;
  /** Absent: told for information. */
  readonly target?: Target;
  readonly subject?: Rate;
  readonly floor?: Rate & { readonly what: string };
  readonly latencyMs?: Percentiles;
  readonly notes: readonly string[];
}

export interface Rate {
  readonly median: number;
  readonly unit: string;
}

export interface Target {
  readonly kind: 'at least' | 'at most';
  readonly value: number;
}

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly rounds: readonly number[];
}

export function spreadOf(rounds: readonly number[]): Spread {
  const sorted = rounds.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
  return { median, min: sorted[0]!, max: sorted.at(-1)!, rounds };
}

export const median = (values: readonly number[]): number => spreadOf(values).median;

/** How much of the target was reached: 1 is exactly the target, more is better. */
export function reach(result: Result): number | undefined {
  if (result.target === undefined) return undefined;
  const { kind, value } = result.target;
  if (kind === 'at least') return result.measured.median / value;
  // What must not happen, and did not, is as good as it gets.
  return result.measured.median === 0 ? Infinity : value / result.measured.median;
}

export interface Round {
  readonly floor: number;
  readonly subject: number;
}

/**
 * Measures floor and subject in turn, in every second round the other way round, so that what drifts (heat, neighbours,
 * a growing log) meets both alike. Ratios are made within a round; their median is the result.
 */
export async function interleave(count: number, floor: () => Promise<number>, subject: () => Promise<number>): Promise<readonly Round[]> {
  const rounds: Round[] = [];
  for (let round = 0; round < count; round++) {
    if (round % 2 === 0) {
      const first = await floor();
      rounds.push({ floor: first, subject: await subject() });
    } else {
      const first = await subject();
      rounds.push({ subject: first, floor: await floor() });
    }
  }
  return rounds;
}

export function ratioResult(
  about: { scenario: string; title: string; target?: Target; unit: string; floorIs: string; notes?: readonly string[] },
  rounds: readonly Round[],
): Result {
  return {
    scenario: about.scenario,
    title: about.title,
    measured: spreadOf(rounds.map((round) => round.subject / round.floor)),
    unit: 'x',
    ...(about.target === undefined ? {} : { target: about.target }),
    subject: { median: median(rounds.map((round) => round.subject)), unit: about.unit },
    floor: { median: median(rounds.map((round) => round.floor)), unit: about.unit, what: about.floorIs },
    notes: about.notes ?? [],
  };
}

/** Where and when it was measured; figures of different machines are not to be compared. */
export interface Machine {
  readonly date: string;
  readonly node: string;
  readonly os: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGb: number;
  /** Load of the machine in the minute before the bench began: neighbours make the figures worse. */
  readonly loadBefore: number;
  readonly commit: string;
}

export function machine(): Machine {
  return {
    date: new Date().toISOString(),
    node: process.version,
    os: `${platform()} ${release()}`,
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    loadBefore: Math.round(loadavg()[0]! * 100) / 100,
    commit: commitOf(),
  };
}

function commitOf(): string {
  try {
    return execFileSync('git', ['describe', '--always', '--dirty'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return 'unknown';
  }
}

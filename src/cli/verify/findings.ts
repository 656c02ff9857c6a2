/** Everything that verify counts; each is 0 in a sound system. Sections stand in the table in this order. */
export const faultKinds = {
  undecodable: ['log', 'commits missing, or that cannot be decoded'],
  brokenChains: ['log', 'broken chains and gaps in versions'],
  outOfOrder: ['log', 'streams out of order'],
  fallingTimes: ['log', 'times that fall within a stream'],
  wrongEnds: ['log', 'streams that do not end where the index says'],
  doubledCommands: ['log', 'commands with two effects'],
  impossibleEvents: ['log', 'events that no decision allows'],
  noCheckpoint: ['read models', 'read models without a checkpoint'],
  beyondLog: ['read models', 'checkpoints beyond the log'],
  users: ['read models', 'users missing, wrong or too many'],
  counts: ['read models', 'users with wrong counts'],
  follows: ['read models', 'follows missing, wrong or too many'],
  posts: ['read models', 'posts missing, wrong or too many'],
  statistics: ['read models', 'statistics wrong'],
  entriesMissing: ['home timelines', 'entries missing'],
  entriesDoubled: ['home timelines', 'entries doubled'],
  entriesForeign: ['home timelines', 'entries gone, or from a user not followed'],
  entriesUnordered: ['home timelines', 'entries out of order'],
  acknowledgedMissing: ['acknowledged commands', 'missing'],
  acknowledgedTwice: ['acknowledged commands', 'with two effects'],
  acknowledgedElsewhere: ['acknowledged commands', 'acknowledged at another position'],
  rejectedDone: ['acknowledged commands', 'rejected, and yet carried out'],
  pushesLost: ['pushes', 'lost'],
  pushesDoubled: ['pushes', 'doubled'],
  pushesForeign: ['pushes', 'of what its subscriber should never have seen'],
  pushesUnordered: ['pushes', 'out of order'],
} as const satisfies Record<string, readonly [section: string, says: string]>;
export type FaultKind = keyof typeof faultKinds;
export type Section = (typeof faultKinds)[FaultKind][0];

export interface Fault {
  readonly kind: FaultKind;
  readonly section: Section;
  readonly says: string;
  readonly count: number;
  /** The first few, each with its place. */
  readonly examples: readonly string[];
}

export interface Findings {
  /** From now on the faults of the section count as looked for. `facts`: what was looked at, as words and numbers. */
  looked(section: Section, facts: Readonly<Record<string, number>>): void;
  /** `example`: where, and what; never what somebody wrote. */
  found(kind: FaultKind, example: string): void;
  report(): Report;
}

export interface Report {
  readonly sound: boolean;
  /** What was looked at, by section. */
  readonly looked: Readonly<Partial<Record<Section, Readonly<Record<string, number>>>>>;
  /** All that were looked for, also those that were not found. */
  readonly faults: readonly Fault[];
}

export function createFindings(examplesMax: number): Findings {
  const looked: Partial<Record<Section, Readonly<Record<string, number>>>> = {};
  const found = new Map<FaultKind, { count: number; examples: string[] }>();
  return {
    looked(section, facts) {
      looked[section] = { ...looked[section], ...facts };
    },
    found(kind, example) {
      const fault = found.get(kind) ?? { count: 0, examples: [] };
      found.set(kind, fault);
      fault.count += 1;
      if (fault.examples.length < examplesMax) fault.examples.push(example);
    },
    report() {
      const all = Object.entries(faultKinds) as [FaultKind, (typeof faultKinds)[FaultKind]][];
      const faults = all
        .filter(([kind, [section]]) => looked[section] !== undefined || found.has(kind))
        .map(([kind, [section, says]]) => ({ kind, section, says, count: 0, examples: [], ...found.get(kind) }));
      return { sound: found.size === 0, looked, faults };
    },
  };
}

/** How much is measured. `quick` shows that everything runs; its figures mean little. */
export interface Sizes {
  readonly rounds: number;
  readonly importRounds: number;
  readonly roundMs: number;
  /** A warm-up goes through all users once, but takes no longer. */
  readonly warmUpMsMax: number;
  readonly connections: number;
  readonly commandsInFlight: number;
  readonly latencyMs: number;
  /** Users of the population that stands in where there is no real data. */
  readonly generatedUsers: number;
  readonly subscribers: number;
  readonly memory: { readonly posts: number; readonly passivated: number };
  /** Posts of one round of the fan-out. */
  readonly fanOutPosts: number;
  readonly scaling: {
    readonly users: readonly number[];
    readonly rounds: number;
    readonly roundMs: number;
    readonly connections: number;
    readonly sessionsMax: number;
  };
  readonly cluster: {
    readonly users: number;
    /** Of one round. */
    readonly commands: number;
    readonly inFlight: number;
    readonly roundTrips: number;
    readonly rounds: number;
    readonly steadyPerSecond: number;
    readonly steadyMs: number;
  };
}

export const fullSizes: Sizes = {
  rounds: 5,
  importRounds: 3,
  roundMs: 3_000,
  warmUpMsMax: 20_000,
  connections: 64,
  commandsInFlight: 64,
  latencyMs: 10_000,
  generatedUsers: 13_688,
  subscribers: 3_469,
  memory: { posts: 10_000, passivated: 100_000 },
  fanOutPosts: 1,
  scaling: { users: [10, 1_000, 100_000], rounds: 5, roundMs: 1_000, connections: 8, sessionsMax: 10_000 },
  cluster: { users: 2_000, commands: 20_000, inFlight: 256, roundTrips: 500, rounds: 3, steadyPerSecond: 500, steadyMs: 12_000 },
};

export const quickSizes: Sizes = {
  rounds: 1,
  importRounds: 1,
  roundMs: 400,
  warmUpMsMax: 1_000,
  connections: 16,
  commandsInFlight: 64,
  latencyMs: 1_000,
  generatedUsers: 300,
  subscribers: 100,
  memory: { posts: 1_000, passivated: 1_000 },
  fanOutPosts: 2,
  scaling: { users: [10, 100], rounds: 1, roundMs: 200, connections: 4, sessionsMax: 100 },
  cluster: { users: 100, commands: 500, inFlight: 32, roundTrips: 20, rounds: 1, steadyPerSecond: 50, steadyMs: 6_000 },
};

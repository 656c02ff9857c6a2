import type { Result } from './harness.ts';
import { measureCluster } from './scenarios/cluster.ts';
import { measureFanOut } from './scenarios/fan-out.ts';
import { measureHome } from './scenarios/home.ts';
import { measureImport } from './scenarios/import.ts';
import { measureLatency } from './scenarios/latency.ts';
import { measureMemory } from './scenarios/memory.ts';
import { measurePosts } from './scenarios/posts.ts';
import { measureReplay } from './scenarios/replay.ts';
import { measureScaling } from './scenarios/scaling.ts';
import type { Stand } from './stand.ts';

// In the order in which they run: whatever adds posts to the data comes after what wants the data as it is.
const scenarios = {
  import: measureImport,
  replay: measureReplay,
  home: measureHome,
  posts: measurePosts,
  latency: measureLatency,
  'fan-out': measureFanOut,
  memory: measureMemory,
  scaling: measureScaling,
  cluster: measureCluster,
} satisfies Record<string, (stand: Stand) => Promise<readonly Result[]>>;

export type ScenarioName = keyof typeof scenarios;
export const scenarioNames = Object.keys(scenarios) as readonly ScenarioName[];

export const runScenario = (name: ScenarioName, stand: Stand): Promise<readonly Result[]> => scenarios[name](stand);

import { createRequire } from 'node:module';
import { configDefaults, defineConfig } from 'vitest/config';

// As Node itself resolves it: two copies of graphql in one process refuse each other's schemas.
const alias = [{ find: /^graphql$/, replacement: createRequire(import.meta.url).resolve('graphql') }];

/** What needs several nodes, or a log on servers. */
const ofClusters = 'test/**/*.cluster.test.ts';

const globalSetup = 'test/support/postgres-template.ts';

interface Rest {
  readonly exclude?: readonly string[];
  readonly globalSetup?: string;
}

const project = (name: string, include: string, testTimeout: number, { exclude = [ofClusters], ...rest }: Rest = {}) => ({
  test: {
    name,
    include: [include],
    exclude: [...configDefaults.exclude, ...exclude],
    alias,
    testTimeout,
    hookTimeout: testTimeout,
    // Files leave nothing behind, and to load the same modules anew for each takes a fifth of the time of all the tests.
    isolate: false,
    ...rest,
  },
});

// Apart from `unit` they start real servers and processes, and mostly wait for them: two files at a time, also on two cores. `npm run test:core` has three,
// which keep two cores busy; those of clusters look at times.
export default defineConfig({
  test: {
    maxWorkers: 2,
    projects: [
      project('unit', 'test/unit/**/*.test.ts', 30_000),
      project('contracts', 'test/contracts/**/*.test.ts', 30_000),
      project('simulation', 'test/simulation/**/*.test.ts', 120_000),
      project('integration', 'test/integration/**/*.test.ts', 60_000, { globalSetup }),
      project('e2e', 'test/e2e/**/*.test.ts', 120_000, { globalSetup }),
      project('cluster', ofClusters, 120_000, { exclude: [], globalSetup }),
      // Within which time somebody else takes over is what it looks at: nothing else may run beside it.
      project('faults', 'test/faults/**/*.test.ts', 120_000, { exclude: [] }),
    ],
  },
});

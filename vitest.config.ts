import { createRequire } from 'node:module';
import { defineConfig } from 'vitest/config';

// As Node itself resolves it: two copies of graphql in one process refuse each other's schemas.
const alias = [{ find: /^graphql$/, replacement: createRequire(import.meta.url).resolve('graphql') }];

const project = (name: string, include: string[], testTimeout: number, isolate = true) => ({
  test: { name, include, alias, testTimeout, hookTimeout: testTimeout, isolate },
});

// unit: no server, no process, and still a second or two of computing here and there, which is ten times that on a machine that others use; the rest starts real ones, and mostly waits for them: so two files at a time, also on two cores.
export default defineConfig({
  test: {
    maxWorkers: 2,
    projects: [
      // Small files that leave nothing behind: to load the same modules anew for each takes longer than all the tests.
      project('unit', ['test/unit/**/*.test.ts'], 30_000, false),
      project('contracts', ['test/contracts/**/*.test.ts'], 30_000),
      project('simulation', ['test/simulation/**/*.test.ts'], 120_000),
      project('integration', ['test/integration/**/*.test.ts'], 60_000),
      project('e2e', ['test/e2e/**/*.test.ts'], 120_000),
      project('cluster', ['test/cluster/**/*.test.ts'], 120_000),
    ],
  },
});

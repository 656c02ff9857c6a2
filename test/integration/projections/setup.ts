import { newNodeId } from '../../support/node-id.ts';
import { afterAll, afterEach, beforeAll } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import type { EventLog } from '../../../src/events/event-log.ts';
import type { Position } from '../../../src/events/position.ts';
import { silentLogger } from '../../../src/logger.ts';
import { createMetrics } from '../../../src/metrics.ts';
import { createCaughtUp } from '../../../src/projections/caught-up.ts';
import { createReadModel } from '../../../src/projections/create-read-model.ts';
import type { Database } from '../../../src/projections/database.ts';
import { migrate } from '../../../src/projections/migrate.ts';
import { networkProjection } from '../../../src/projections/network/projection.ts';
import type { Projection } from '../../../src/projections/projection.ts';
import type { ReadModel } from '../../../src/projections/read-model.ts';
import { startProjection } from '../../../src/projections/runner.ts';
import type { RunningProjection } from '../../../src/projections/runner.ts';
import { statisticsProjection } from '../../../src/projections/statistics/projection.ts';
import { startTestPostgres } from '../../support/postgres.ts';
import type { TestPostgres } from '../../support/postgres.ts';

export const bothProjections = [networkProjection, statisticsProjection] as const;

/** One PostgreSQL for the file, and what a test started in it is stopped after the test. */
export function usePostgres() {
  let postgres: TestPostgres;
  const cleanUps: (() => Promise<unknown>)[] = [];
  beforeAll(async () => {
    postgres = await startTestPostgres();
  });
  afterEach(async () => {
    for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
  });
  afterAll(() => postgres.stop());
  // Closed after each test: a server takes only so many connections.
  const createDatabaseAt = async () => {
    const created = await postgres.createDatabase();
    cleanUps.push(() => created.database.close());
    await migrate(created.database);
    return created;
  };
  const createDatabase = async () => (await createDatabaseAt()).database;
  return {
    get server() {
      return postgres.server;
    },
    createDatabase,
    createDatabaseAt,
    /** Projections that run on a database of their own until the test ends. */
    project: async (log: EventLog, projections: readonly Projection[] = bothProjections, on?: Database): Promise<Projected> => {
      const database = on ?? (await createDatabase());
      const readModel = createReadModel(database, log.id);
      const caughtUp = createCaughtUp({ readModel, clock: systemClock });
      const common = { log, database, clock: systemClock, logger: silentLogger, metrics: createMetrics(), caughtUp };
      const running = await Promise.all(projections.map((projection) => startProjection({ nodeId: newNodeId(), projection, ...common })));
      cleanUps.push(async () => {
        caughtUp.close();
        await Promise.all(running.map((each) => each.stop()));
      });
      const reach = async (position: Position, timeoutMs = 20_000) => {
        const names = projections.map(({ name }) => name);
        if (!(await caughtUp.waitFor(names, position, timeoutMs))) {
          const states = await Promise.all(running.map((each) => each.status()));
          throw new Error(`not caught up with ${position.commit}: ${JSON.stringify(states)}`);
        }
      };
      return { database, readModel, caughtUp, running, reach };
    },
    cleanUp: (work: () => Promise<unknown>) => cleanUps.push(work),
  };
}

export interface Projected {
  readonly database: Database;
  readonly readModel: ReadModel;
  readonly caughtUp: ReturnType<typeof createCaughtUp>;
  readonly running: readonly RunningProjection[];
  /** Resolves once all projections stand at the position or later. */
  reach(position: Position, timeoutMs?: number): Promise<void>;
}

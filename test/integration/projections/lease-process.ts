import { systemClock } from '../../../src/clock.ts';
import { openLmdbLog } from '../../../src/events/lmdb-log.ts';
import { silentLogger } from '../../../src/logger.ts';
import { createMetrics } from '../../../src/metrics.ts';
import { sessionName } from '../../../src/projections/lease.ts';
import { networkProjection } from '../../../src/projections/network/projection.ts';
import { openDatabase } from '../../../src/projections/postgres-database.ts';
import type { Projection } from '../../../src/projections/projection.ts';
import { startProjection } from '../../../src/projections/runner.ts';
import { systemRandom } from '../../../src/random.ts';

// A projection node to be stopped and killed: applies a log that somebody else writes, and prints its state when it changes. Asked by SIGUSR2, it stops itself
// (SIGSTOP) in the middle of its next transaction, after the rows are written and before they are committed.
const [directory = '', host = '', user = '', database = '', nodeId = '', offsetMs = '0'] = process.argv.slice(2);
let freeze = false;
process.on('SIGUSR2', () => {
  freeze = true;
  process.stdout.write('will freeze\n');
});

const projection: Projection = {
  ...networkProjection,
  async write(session, schema, commits) {
    await networkProjection.write(session, schema, commits);
    if (!freeze) return;
    freeze = false;
    process.kill(process.pid, 'SIGSTOP');
  },
};
// Clocks of nodes are minutes apart: nothing may depend on them.
const clock = { ...systemClock, now: () => systemClock.now() + Number(offsetMs) };
const log = await openLmdbLog({ directory, readOnly: true, random: systemRandom, logger: silentLogger });
const own = await openDatabase({ host, user, database }, { logger: silentLogger, applicationName: sessionName(nodeId), poolSize: 4 });
const running = await startProjection({
  projection,
  nodeId,
  log,
  database: own,
  clock,
  logger: silentLogger,
  metrics: createMetrics(),
});
process.on('SIGTERM', () => void running.stop().then(() => process.exit(0)));

let shown = '';
async function show(): Promise<void> {
  const { standingBy, position } = await running.status().catch(() => ({ standingBy: undefined, position: null }));
  const now = `${nodeId} ${standingBy ? 'stands by' : 'leads'} at ${position?.commit ?? 0}\n`;
  if (now !== shown) process.stdout.write(now);
  shown = now;
}
setInterval(() => void show(), 20);

import type { EventLog, RecordedCommit } from '../../events/event-log.ts';
import { endReaching } from '../../events/proven-tail.ts';
import type { LmdbEventLog } from '../../events/lmdb-log.ts';
import { limits } from '../../limits.ts';
import { findCheckpoint, refuseDatabaseOfAnotherLog } from '../../projections/checkpoints.ts';
import type { Database, Session } from '../../projections/database.ts';
import { commitOfPlace } from '../../projections/places.ts';
import { projectionNames } from '../../projections/read-model.ts';
import type { ProjectionName } from '../../projections/read-model.ts';
import type { JobContext } from '../control-server.ts';
import { createAcknowledgedCheck } from './acknowledged.ts';
import { compareFollows, comparePosts, compareUsers } from './compare-rows.ts';
import { compareTimelines } from './compare-timelines.ts';
import type { TimelineSample } from './compare-timelines.ts';
import { createFindings } from './findings.ts';
import type { Report } from './findings.ts';
import { createLogCheck } from './log-check.ts';
import { createLogWalk } from './log-walk.ts';
import { createNetworkModel } from './network-model.ts';
import { createPushesCheck } from './pushes.ts';
import type { CommandAnswer, Subscriber } from './records.ts';
import { createStatisticsModel } from './statistics-model.ts';

export interface VerifyOptions {
  readonly sample: TimelineSample;
  /** What clients were told and pushed, where they wrote it down. */
  readonly answers?: readonly CommandAnswer[];
  readonly subscribers?: readonly Subscriber[];
}

/**
 * Reads the log once, from end to end, and holds everything else against it. The read models are looked at in one snapshot of the database: the log is read
 * up to their checkpoint, compared there, and then read on. So the system may run meanwhile. Memory grows with the population, not with the log.
 * @throws {DatabaseOfAnotherLog}
 */
export async function verifySystem(
  { log, database }: { readonly log: EventLog & Partial<Pick<LmdbEventLog, 'indexedHead'>>; readonly database: Database | undefined },
  options: VerifyOptions,
  context: JobContext,
): Promise<Report> {
  const findings = createFindings(limits.verifyExamplesMax);
  const logCheck = createLogCheck(findings);
  const network = createNetworkModel(log.namespace, findings);
  const statistics = createStatisticsModel(findings);
  const acknowledged = options.answers && createAcknowledgedCheck(options.answers, findings);
  const pushes = options.subscribers && createPushesCheck(log.id, options.subscribers, findings);
  const visitors = [logCheck, ...[acknowledged, pushes].filter((check) => check !== undefined)];
  const walk = createLogWalk(
    log,
    {
      visit(commit: RecordedCommit) {
        for (const visitor of visitors) visitor.visit(commit);
        network.apply(commit);
        statistics.apply(commit);
      },
      undecodable: logCheck.undecodable,
    },
    context,
  );

  /** In one snapshot: to the checkpoint of each projection in turn, and compared there. */
  async function compareReadModels(session: Session): Promise<void> {
    // While the log is read the session stands still, and for long.
    await session.query({ text: 'set local idle_in_transaction_session_timeout = 0' });
    await refuseDatabaseOfAnotherLog(session, log.id);
    const comparing = { session, model: network, findings, logId: log.id, ...context };
    const compare: Record<ProjectionName, () => Promise<void>> = {
      async network() {
        await compareUsers(comparing);
        await compareFollows(comparing);
        await comparePosts(comparing);
        await compareTimelines(comparing, options.sample);
      },
      statistics: () => statistics.compare(session),
    };
    for (const name of await findWithoutCheckpoint(session)) {
      findings.looked('read models', {});
      findings.found('noCheckpoint', `${name}: nothing says up to where, and nobody goes on with it`);
    }
    const checkpoints = await findCheckpoints(session);
    const end = await endReaching(log, checkpoints.at(-1)?.commit ?? 0);
    for (const { name, commit } of checkpoints) {
      findings.looked('read models', { [`${name} at commit`]: commit });
      await walk.to(Math.min(commit, end));
      if (commit <= end) await compare[name]();
      else findings.found('beyondLog', `${name}: stands at commit ${commit}, and the log ends with commit ${end}`);
    }
  }

  if (database && (await hasReadModels(database))) {
    // Most of the log is read before the snapshot is taken, so that it does not grow old.
    await walk.to(Math.min(...(await findCheckpoints(database)).map(({ commit }) => commit), (await log.tail())?.position.commit ?? 0));
    await database.transaction({ isolation: 'repeatable read', readOnly: true }, compareReadModels);
  }
  await walk.to((await log.tail())?.position.commit ?? 0);
  const { indexedHead } = log;
  if (indexedHead) logCheck.compareIndex({ indexedHead });
  acknowledged?.finish();
  pushes?.finish();
  findings.looked('log', logCheck.seen);
  return findings.report();
}

async function hasReadModels(session: Session): Promise<boolean> {
  const [found] = await session.query<{ there: boolean }>({ text: `select to_regclass('starling.checkpoints') is not null as there` });
  return found!.there;
}

/** A projection and its checkpoint are made together, and never apart. */
async function findWithoutCheckpoint(session: Session): Promise<readonly string[]> {
  const found = await session.query<{ name: string }>({
    text: `select nspname as name from pg_namespace where nspname = any($1) and nspname not in (select projection from starling.checkpoints) order by 1`,
    values: [projectionNames],
  });
  return found.map(({ name }) => name);
}

/** Of the read models that there are, in the order of the log. */
async function findCheckpoints(session: Session): Promise<{ readonly name: ProjectionName; readonly commit: number }[]> {
  const found: { name: ProjectionName; commit: number }[] = [];
  for (const name of projectionNames) {
    const checkpoint = await findCheckpoint(session, name);
    if (checkpoint) found.push({ name, commit: checkpoint.place === null ? 0 : commitOfPlace(checkpoint.place) });
  }
  return found.toSorted((a, b) => a.commit - b.commit);
}

import type { OwnNode } from '../../src/cli/run-node.ts';
import type { Page, PostRow } from '../../src/projections/read-model.ts';
import type { UserId } from '../../src/events/ids.ts';
import { built } from './built.ts';
import { serveCalls, tellProgress } from './calls.ts';
import { startConstantGateway } from './constant-gateway.ts';
import type { ConstantGateway } from './constant-gateway.ts';
import { measureCopyFloor } from './copy-floor.ts';
import type { CopyFloor } from './copy-floor.ts';
import { measureLogFloor } from './log-floor.ts';

// The system under test: what `starling start` runs, in a process of its own, and beside its gateway one that returns constants.

let own: OwnNode | undefined;
let constant: ConstantGateway | undefined;

const running = () => {
  if (own === undefined) throw new Error('the system was not started');
  return own;
};

/** The embedded log numbers its commits one after another. */
const commitCount = async () => (await running().node.log.tail())?.position.commit ?? 0;

interface StartOptions {
  readonly directory: string;
  readonly env?: Readonly<Record<string, string>>;
}

const handlers = {
  /** `env`: settings besides those of every system, as an operator gives them. */
  async start({ directory, env = {} }: StartOptions): Promise<{ port: number; floorPort: number }> {
    const { readConfig } = await built('config.js');
    const { createLogger } = await built('logger.js');
    const { runNode } = await built('cli/run-node.js');
    const config = readConfig({ data: directory, port: '0', label: 'bench' }, env);
    own = await runNode(config, ['gateway', 'actors', 'projections'], createLogger('warn'));
    constant = await startConstantGateway(own.node);
    return { port: Number(new URL(own.node.url!).port), floorPort: constant.port };
  },

  /** The job behind `starling import`. Counted from the first command to the last answer: checking the files before is no command. */
  async importFiles(input: { follows: string; posts: string; inFlight: number }): Promise<{ commands: number; seconds: number }> {
    let startedAt = 0;
    let answeredAt = 0;
    const summary = (await running().runJob(
      { job: 'import', arguments: { follows: input.follows, posts: input.posts, inFlight: input.inFlight } },
      {
        signal: new AbortController().signal,
        report({ phase, done, total, unit }) {
          if (unit === 'commands') {
            startedAt ||= performance.now();
            if (phase === 'posts' && done === total) answeredAt = performance.now();
          }
          if (done % 8_192 === 0) tellProgress(`import: ${phase} ${done.toLocaleString('en-US')} of ${total.toLocaleString('en-US')}`);
        },
      },
    )) as { users: number; follows: number; posts: number };
    return { commands: summary.users + summary.follows + summary.posts, seconds: (answeredAt - startedAt) / 1_000 };
  },

  /** Resolves when all projections stand at the end of the log. */
  async caughtUp(): Promise<void> {
    const { log, readSide } = running().node;
    const tail = await log.tail();
    if (tail === undefined) return;
    const reached = await readSide!.caughtUp.waitFor(['network', 'statistics'], tail.position, 10 * 60_000);
    if (!reached) throw new Error('the projections did not catch up in ten minutes');
  },

  /** What PostgreSQL would begin by itself within 15 seconds of a load: done here, or it would run beside some rounds of what is measured next and not beside others. */
  async vacuumed(): Promise<void> {
    for (const table of ['network.users', 'network.follows', 'network.posts'])
      await running().node.readSide!.database.query({ text: `vacuum (analyze) ${table}` });
  },

  /** Appends to bare LMDB the very bytes that the log holds. */
  async logFloor({ folder, inFlight }: { folder: string; inFlight: number }): Promise<{ perSecond: number }> {
    const { encodeCommit } = await built('events/codec.js');
    const { log } = running().node;
    const commits: Uint8Array[] = [];
    const reading = new AbortController();
    for await (const batch of log.subscribe('start', reading.signal)) {
      for (const commit of batch) commits.push(encodeCommit(commit));
      if (commits.length >= (await commitCount())) reading.abort();
    }
    return { perSecond: await measureLogFloor({ folder, commits, inFlight }) };
  },

  async eventCount(): Promise<number> {
    return commitCount();
  },

  /** A session for each of the first users, in the order in which they registered. */
  async openSessions({ usersMax }: { usersMax?: number }): Promise<{ handle: string; token: string }[]> {
    const { createPostgresSessions } = await built('gateway/sessions-postgres.js');
    const { node } = running();
    // Spread over all of them: those who came first are not like the others.
    const users = await node.readSide!.database.query<{ id: UserId; handle: string }>({
      text: `select id, handle from (select id, handle, row_number() over (order by place) as place, count(*) over () as users from network.users) as ranked
             where $1::int is null or place % greatest(1, users / $1::int) = 0 order by place limit $1::int`,
      values: [usersMax ?? null],
    });
    const sessions = createPostgresSessions({ ...node, ...node.readSide! });
    try {
      const opened: { handle: string; token: string }[] = [];
      for (let from = 0; from < users.length; from += 64) {
        const some = users.slice(from, from + 64);
        opened.push(...(await Promise.all(some.map(async ({ id, handle }) => ({ handle, token: (await sessions.open(id)).token })))));
      }
      return opened;
    } finally {
      await sessions.close();
    }
  },

  /** Gives the constant gateway a page as long as pages are in the mean, so that both serialise as much. Returns how many entries that is. */
  async prepareConstantPage(): Promise<number> {
    const { readModel, database } = running().node.readSide!;
    const users = await database.query<{ id: UserId }>({ text: 'select id from network.users order by id limit 500' });
    const pages: Page<PostRow>[] = [];
    for (const { id } of users) pages.push(await readModel.homeTimeline(id, { take: 'first', count: 20 }));
    const mean = Math.round(pages.reduce((sum, page) => sum + page.rows.length, 0) / pages.length);
    const page = pages.find(({ rows }) => rows.length === Math.max(1, mean)) ?? pages.find(({ rows }) => rows.length > mean);
    if (page === undefined) throw new Error('no home timeline has a page to show');
    constant?.setPage({ ...page, rows: page.rows.slice(0, Math.max(1, mean)) });
    return mean;
  },

  /** The job behind `starling replay`, for all projections. */
  async replay(): Promise<{ seconds: number; summary: unknown }> {
    const startedAt = performance.now();
    const summary = await running().runJob(
      { job: 'replay', arguments: {} },
      { signal: new AbortController().signal, report: ({ phase, done }) => (done === 0 ? tellProgress(`replay: ${phase}`) : undefined) },
    );
    return { seconds: (performance.now() - startedAt) / 1_000, summary };
  },

  async copyFloor(): Promise<CopyFloor> {
    const found = await running().node.readSide!.database.query<{ host: string; user: string; database: string }>({
      text: `select split_part(current_setting('unix_socket_directories'), ',', 1) as host, current_user as user, current_database() as database`,
    });
    return measureCopyFloor(found[0]!, ['network', 'statistics']);
  },
};
export type SystemCalls = typeof handlers;

serveCalls(handlers, async () => {
  await constant?.close();
  await own?.stop();
});

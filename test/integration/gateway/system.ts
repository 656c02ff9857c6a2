import { createMemorySnapshots } from '../../../src/actors/runtime/snapshots.ts';
import { startActorHost } from '../../../src/actors/runtime/host.ts';
import { beginRun } from '../../../src/actors/runs.ts';
import { createCommandClient } from '../../../src/actors/transport-command-client.ts';
import type { CommandClient } from '../../../src/actors/command-client.ts';
import { systemClock } from '../../../src/clock.ts';
import { createMemoryLog } from '../../../src/events/memory-log.ts';
import { createPostgresAttemptLimits } from '../../../src/gateway/attempt-limits-postgres.ts';
import type { GatewayServices } from '../../../src/gateway/context.ts';
import { createGateway } from '../../../src/gateway/gateway.ts';
import { createPasswords } from '../../../src/gateway/passwords.ts';
import { createSchema } from '../../../src/gateway/schema.ts';
import type { Sessions } from '../../../src/gateway/sessions.ts';
import { createPostgresSessions } from '../../../src/gateway/sessions-postgres.ts';
import { silentLogger } from '../../../src/logger.ts';
import { createMetrics } from '../../../src/metrics.ts';
import { createCaughtUp } from '../../../src/projections/caught-up.ts';
import type { CaughtUp } from '../../../src/projections/caught-up.ts';
import { createReadModel } from '../../../src/projections/create-read-model.ts';
import type { Database, Statement } from '../../../src/projections/database.ts';
import { migrate } from '../../../src/projections/migrate.ts';
import { networkProjection } from '../../../src/projections/network/projection.ts';
import { startProjection } from '../../../src/projections/runner.ts';
import { statisticsProjection } from '../../../src/projections/statistics/projection.ts';
import { readProjectionStatuses } from '../../../src/projections/statuses.ts';
import { systemRandom } from '../../../src/random.ts';
import { createLocalTransport } from '../../../src/transport/local-transport.ts';
import { fixedMembership } from '../../support/fixed-membership.ts';
import { gql, gqlAnswer } from '../../support/graphql-client.ts';
import { startTestPostgres } from '../../support/postgres.ts';

export type System = Awaited<ReturnType<typeof startSystem>>;

/** A whole system with a real PostgreSQL, real actors and a real gateway; only the log is in memory. */
export async function startSystem(
  options: {
    commands?: (real: CommandClient) => CommandClient;
    caughtUp?: (real: CaughtUp) => CaughtUp;
    sessions?: (real: Sessions) => Sessions;
    logTail?: (real: GatewayServices['logTail']) => GatewayServices['logTail'];
  } = {},
) {
  const postgres = await startTestPostgres();
  const { database } = await postgres.createDatabase();
  await migrate(database);
  const membership = fixedMembership(systemClock);
  const ports = { clock: systemClock, random: systemRandom, logger: silentLogger, metrics: createMetrics(), membership };
  const log = createMemoryLog(ports);
  const run = await beginRun({ ...ports, log, label: 'test' });
  const transport = createLocalTransport(ports);
  const host = await startActorHost({ ...ports, log, transport, snapshots: createMemorySnapshots(), space: 'test' });

  const statements: string[] = [];
  const counted = countStatements(database, statements);
  const readModel = createReadModel(counted, log.id);
  const caughtUp = createCaughtUp({ readModel: createReadModel(database, log.id), clock: systemClock });
  const running = await Promise.all(
    [networkProjection, statisticsProjection].map((projection) =>
      startProjection({ ...ports, nodeId: 'test', projection, log, database, caughtUp }),
    ),
  );
  const sessions = createPostgresSessions({ ...ports, database: counted });
  const commands = createCommandClient({ ...ports, transport, space: 'test' });
  const logTail = async () => (await log.tail())?.position;
  const services: GatewayServices = {
    ...ports,
    logId: log.id,
    namespace: log.namespace,
    logTail: options.logTail?.(logTail) ?? logTail,
    commands: options.commands?.(commands) ?? commands,
    readModel,
    caughtUp: options.caughtUp?.(caughtUp) ?? caughtUp,
    sessions: options.sessions?.(sessions) ?? sessions,
    passwords: createPasswords(),
    cluster: {
      nodes: membership.members,
      transport: transport.name,
      eventLog: 'memory',
      projections: () => readProjectionStatuses(database, log),
    },
    attempts: createPostgresAttemptLimits({ clock: systemClock, database: counted, namespace: log.namespace }),
  };
  const gateway = await createGateway(services, {
    schema: createSchema(),
    ready: async () => ({ ready: true, details: {} }),
  });
  const { url } = await gateway.listen({ host: '127.0.0.1', port: 0 });

  return {
    url,
    log,
    run,
    database,
    postgres,
    services,
    gateway,
    /** Names of the statements that the gateway has sent since the last look; beats of the session feed left out. */
    takeStatements: () => statements.splice(0).filter((name) => name !== 'session-beat' && name !== 'check-sessions'),
    gql: (query: string, variables?: object, token?: string) => gql(url, query, variables, token),
    ask: (query: string, variables?: object, token?: string) => gqlAnswer(url, query, variables, token),
    /** A raw request, for what no client would send. */
    post: async (body: string | Buffer, headers: Record<string, string> = { 'content-type': 'application/json' }) => {
      const response = await fetch(`${url}/graphql`, { method: 'POST', headers, body: new Uint8Array(Buffer.from(body)) });
      return { status: response.status, body: await response.json(), headers: response.headers };
    },
    async register(handle: string, password = 'correct horse') {
      const document = 'mutation ($input: RegisterInput!) { register(input: $input) { token position user { id } userErrors { code } } }';
      const { register } = await gql(url, document, { input: { handle, password } });
      return { token: register.token as string, id: register.user.id as string, position: register.position as string };
    },
    async createPost(token: string, text: string) {
      const document = 'mutation ($text: String!) { createPost(input: { text: $text }) { post { id } position userErrors { code } } }';
      const { createPost } = await gql(url, document, { text }, token);
      return { id: createPost.post.id as string, position: createPost.position as string };
    },
    follow: (token: string, handle: string) =>
      gql(url, 'mutation ($handle: String!) { follow(input: { handle: $handle }) { position userErrors { code } } }', { handle }, token),
    async stop() {
      await gateway.close();
      await sessions.close();
      await Promise.all(running.map((projection) => projection.stop()));
      caughtUp.close();
      await host.stop();
      await transport.close();
      await log.close();
      await postgres.stop();
    },
  };
}

function countStatements(database: Database, statements: string[]): Database {
  const note = (statement: Statement) => statements.push(statement.name ?? statement.text);
  return {
    ...database,
    query: (statement) => {
      note(statement);
      return database.query(statement);
    },
    transaction: (settings, work) =>
      database.transaction(settings, (session) =>
        work({
          query: (statement) => {
            note(statement);
            return session.query(statement);
          },
        }),
      ),
  };
}

import type { GatewayServices } from '../../src/gateway/context.ts';
import type { Page, PostRow } from '../../src/projections/read-model.ts';
import type { Node } from '../../src/node.ts';
import { built } from './built.ts';

/** The floor of everything that goes through the gateway. */
export interface ConstantGateway {
  readonly port: number;
  /** What `homeTimeline` returns from now on, whoever asks. */
  setPage(page: Page<PostRow>): void;
  close(): Promise<void>;
}

/**
 * The same gateway in the same process (schema, limits, sessions, serialisation), where `createPost` and `homeTimeline` return a
 * constant: plain objects that were made before, down to the cursors.
 */
export async function startConstantGateway(node: Node): Promise<ConstantGateway> {
  const { createGateway } = await built('gateway/gateway.js');
  const { attachResolvers, createSchema } = await built('gateway/schema.js');
  const { createPostgresSessions } = await built('gateway/sessions-postgres.js');
  const { createPostgresAttemptLimits } = await built('gateway/attempt-limits-postgres.js');
  const { createPasswords } = await built('gateway/passwords.js');
  const { connectionOf, postEdge } = await built('gateway/connections.js');

  const { log, clock } = node;
  const readSide = node.readSide!;
  const { database } = readSide;
  const sessions = createPostgresSessions({ ...node, database });
  const services: GatewayServices = {
    ...node,
    ...readSide,
    logId: log.id,
    namespace: log.namespace,
    logTail: async () => (await log.tail())?.position,
    sessions,
    passwords: createPasswords(),
    cluster: { nodes: () => [], transport: 'local', eventLog: 'lmdb', projections: async () => [] },
    attempts: createPostgresAttemptLimits({ database, clock, namespace: log.namespace }),
  };
  let connection: object | undefined;
  let payload: object | undefined;
  const schema = createSchema();
  attachResolvers(schema, {
    Query: { homeTimeline: () => connection },
    Mutation: { createPost: () => payload },
    // The constant holds its post already; the real resolver of this field waits for the projection.
    PostPayload: { post: (constant: { readonly post: PostRow }) => constant.post },
  });
  const gateway = await createGateway(services, { schema, ready: () => Promise.resolve({ ready: true, details: {} }) });
  const { port } = await gateway.listen({ host: '127.0.0.1', port: 0 });
  return {
    port,
    setPage(page) {
      const { edges, pageInfo } = connectionOf(page, log.id, (row) => postEdge('home', row));
      connection = { edges: edges.map(({ cursor, node: post }) => ({ cursor, node: post })), pageInfo: { ...pageInfo } };
      payload = { commandId: 'bench-0123456789abcdef', position: pageInfo.position, userErrors: [], post: page.rows[0] };
    },
    async close() {
      await gateway.close();
      await sessions.close();
    },
  };
}

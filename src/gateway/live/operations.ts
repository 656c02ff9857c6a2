import { GraphQLError, createSourceEventStream, execute, getOperationAST } from 'graphql';
import type {
  DocumentNode,
  ExecutionArgs,
  ExecutionResult,
  FormattedExecutionResult,
  GraphQLFormattedError,
  GraphQLSchema,
  OperationDefinitionNode,
} from 'graphql';
import { limits } from '../../limits.ts';
import type { GatewayServices } from '../context.ts';
import { createContext } from '../create-context.ts';
import { prepareDocument } from '../documents.ts';
import { apiError, badUserInput, createErrorMask } from '../errors.ts';
import type { GraphqlRequest } from '../graphql-request.ts';
import { checkComplexity, tooComplex } from '../query-limits.ts';
import type { Beginning, Connection } from './connection.ts';
import { createExecutions } from './executions.ts';
import type { LiveFeed } from './live-feed.ts';
import { LiveStream } from './live-stream.ts';
import { PendingOperation } from './operation.ts';
import type { Pushed } from './pushed.ts';
import { createSocketSink } from './socket-sink.ts';

/** What a subscription needs besides what GraphQL needs. */
interface OperationArgs extends ExecutionArgs {
  readonly client: Beginning & { readonly connection: Connection; readonly source: string };
}

/** The source of a subscription could not be made: what the client is told, all of it. */
class RequestFailed extends Error {
  override readonly name = 'RequestFailed';
  readonly errors: readonly GraphQLError[];
  constructor(errors: readonly GraphQLError[]) {
    super('the request failed');
    this.errors = errors;
  }
}

/** Operations over a WebSocket, held to the same limits as those over HTTP. */
export function createOperations(options: { schema: GraphQLSchema; services: GatewayServices; liveFeed: LiveFeed }) {
  const { schema, services, liveFeed } = options;
  const maskError = createErrorMask(services);
  const executions = createExecutions({ maskError, createAnonymousContext: () => createContext(services, null, '') });

  /** `running`: operations of the connection that are not completed, this one among them. Errors are the answer to a request that is not executed. */
  function prepare(connection: Connection, id: string, request: GraphqlRequest, running: number): OperationArgs | readonly GraphQLError[] {
    try {
      if (running > limits.subscriptionsPerSocketMax || connection.beginning.size >= limits.subscriptionsPerSocketMax) {
        const message = `A connection has at most ${limits.subscriptionsPerSocketMax} operations at the same time. Complete one, or open another connection.`;
        throw apiError('RATE_LIMITED', message, { retryAfterMs: limits.retryAfterUnavailableMs });
      }
      const prepared = prepareDocument(schema, request.query);
      if ('errors' in prepared) return prepared.errors;
      const { document, measures } = prepared;
      const { operationName, variables } = request;
      const definition = getOperationAST(document, operationName);
      if (!definition) throw badUserInput('The document has no such operation, or several and "operationName" names none.');
      if (definition.operation === 'subscription') checkKept(connection.messageBytes, document);
      checkComplexity(measures, operationName, variables);
      const contextValue = createContext(services, connection.session, connection.address);
      const client = { connection, id, source: request.query, replaced: false };
      for (const before of connection.beginning) if (before.id === id) before.replaced = true;
      connection.beginning.add(client);
      return { schema, document, variableValues: declaredIn(definition, variables), operationName, contextValue, client };
    } catch (error) {
      if (error instanceof GraphQLError) return [error];
      throw error;
    }
  }

  async function subscribe(args: OperationArgs): Promise<PendingOperation> {
    const stream = await openStream(args);
    const { connection, id, source } = args.client;
    const { session, address } = connection;
    const operation = new PendingOperation(() => stream.end());
    const group = executions.join({
      args,
      source,
      viewerId: session?.userId ?? null,
      createContext: () => createContext(services, session, address),
    });
    const field = fieldOf(args);
    stream.attach(createSocketSink({ connection, id, group, operation, maskError, onPushed: () => liveFeed.pushed(field) }));
    return operation;
  }

  /**
   * A client may complete an operation that is still being begun and take its id again. The library knows operations by their ids alone: it would take what
   * comes of the first for the answer to the second, and lose sight of one of the two. So of what has been replaced it hears nothing more.
   */
  function isReplaced({ client }: OperationArgs): boolean {
    client.connection.beginning.delete(client);
    return client.replaced;
  }

  return {
    prepare,

    /** Ends when the subscription does; fails with what `tell` understands. */
    async subscribe(args: OperationArgs): Promise<PendingOperation> {
      const operation = await subscribe(args).catch((error: unknown) => {
        const failed = new PendingOperation(() => undefined);
        failed.fail(error instanceof Error ? error : new Error(String(error)));
        return failed;
      });
      if (!isReplaced(args)) return operation;
      await operation.return();
      return never();
    },

    /** A query or a mutation. */
    async execute(args: OperationArgs): Promise<ExecutionResult> {
      const result = await execute(args);
      return isReplaced(args) ? never() : result;
    },

    /** What a client is told of the errors that its operation ended with. */
    tell(errors: readonly GraphQLError[]): GraphQLFormattedError[] {
      return errors.flatMap((error) => {
        // The library wraps what a subscription failed with; errors of GraphQL itself have their place in the document.
        const cause = error.path === undefined && error.originalError ? error.originalError : error;
        return cause instanceof RequestFailed ? cause.errors.map((each) => maskError(each)) : [maskError(cause)];
      });
    },

    /** The answer to a query or a mutation. */
    format({ data, errors }: ExecutionResult): FormattedExecutionResult {
      return errors ? { ...(data === undefined ? {} : { data }), errors: errors.map((error) => maskError(error)) } : { data: data ?? null };
    },
  };
}

/** Of what a subscription keeps for as long as it lives. @throws QUERY_TOO_COMPLEX */
function checkKept(messageBytes: number, { tokenCount = 0 }: DocumentNode): void {
  const { subscribeBytesMax, subscribeTokensMax } = limits;
  if (messageBytes > subscribeBytesMax)
    throw tooComplex(`A message that subscribes has at most ${subscribeBytesMax} bytes; this one has ${messageBytes}.`);
  if (tokenCount > subscribeTokensMax)
    throw tooComplex(`A document that subscribes has at most ${subscribeTokensMax} tokens; this one has ${tokenCount}.`);
}

async function openStream(args: OperationArgs): Promise<LiveStream<Pushed>> {
  const source = await createSourceEventStream(args);
  if (source instanceof LiveStream) return source as LiveStream<Pushed>;
  throw new RequestFailed(('errors' in source && source.errors) || [badUserInput('The subscription selects nothing.')]);
}

/** Variables that the operation knows: whatever else came along would stay in memory with a subscription. */
function declaredIn({ variableDefinitions }: OperationDefinitionNode, variables: GraphqlRequest['variables']): GraphqlRequest['variables'] {
  const names = (variableDefinitions ?? []).map(({ variable }) => variable.name.value);
  return variables && Object.fromEntries(names.flatMap((name) => (Object.hasOwn(variables, name) ? [[name, variables[name]]] : [])));
}

/** Nobody holds on to it, so that whoever awaits it is let go of. */
function never(): Promise<never> {
  return new Promise(() => undefined);
}

/** The name of the root field. */
function fieldOf({ document, operationName }: OperationArgs): string {
  const selection = getOperationAST(document, operationName)?.selectionSet.selections[0];
  return selection?.kind === 'Field' ? selection.name.value : 'other';
}

export type Operations = ReturnType<typeof createOperations>;
export type { OperationArgs };

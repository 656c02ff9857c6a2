import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Kind, execute, getOperationAST, getVariableValues } from 'graphql';
import type { DocumentNode, ExecutionResult, GraphQLError, GraphQLFormattedError, GraphQLSchema, OperationDefinitionNode } from 'graphql';
import mercurius from 'mercurius';
import { limits } from '../limits.ts';
import { clientAddress } from './client-address.ts';
import type { TrustedProxies } from './client-address.ts';
import type { Context, GatewayServices } from './context.ts';
import { createContext, resolveSession } from './create-context.ts';
import { parseDocument, prepareDocument } from './documents.ts';
import { badUserInput, createErrorMask, hasCode } from './errors.ts';
import { parseRequest } from './graphql-request.ts';
import type { GraphqlRequest } from './graphql-request.ts';
import { statusOf } from './http-status.ts';
import { acceptOnlyJson } from './json-body.ts';
import { checkComplexity, tooComplex } from './query-limits.ts';
import type { SignedIn } from './sessions.ts';

/** What one operation came to. `data` is absent when it was never executed: the document, the variables or the limits were at fault. */
interface Answer {
  readonly data?: unknown;
  readonly errors?: readonly GraphQLFormattedError[];
}

/**
 * POST /graphql, for one operation or a batch. Mercurius parses, validates and executes; the route around it is ours, for exact errors and limits. Only
 * JSON is taken, so that no page of another origin can make a browser send one unasked, and nothing is answered to GET.
 */
export async function addGraphqlRoute(
  app: FastifyInstance,
  services: GatewayServices,
  { schema, trustedProxies }: { readonly schema: GraphQLSchema; readonly trustedProxies?: TrustedProxies },
): Promise<void> {
  const maskError = createErrorMask(services);
  await app.register(mercurius, {
    schema,
    routes: false,
    cache: limits.documentsRememberedMax,
    jit: limits.documentsCompiledAfter,
    graphql: { parseOptions: { maxTokens: limits.queryTokensMax }, validateOptions: { maxErrors: 10 } },
    errorFormatter: ({ data, errors }) => ({
      statusCode: 200,
      response: { data, errors: errors?.map((error) => maskError(error)) as never },
    }),
  });

  acceptOnlyJson(app);
  app.post('/graphql', async (request, reply) => {
    const { body } = request;
    if (Array.isArray(body)) return sendAnswer(reply, 200, await answerBatch(body, request));
    const answer = await answerOperation(body, request);
    return sendAnswer(reply, answer.data === undefined ? statusOf(answer.errors?.[0]) : 200, answer);
  });
  app.get('/graphql', (_, reply) =>
    sendAnswer(reply.header('allow', 'POST'), 405, {
      errors: [maskError(badUserInput('Send operations with POST, and subscribe over a WebSocket.'))],
    }),
  );

  /** One after the other, since a mutation may be there for the next to see. */
  async function answerBatch(bodies: readonly unknown[], request: FastifyRequest): Promise<readonly Answer[]> {
    if (bodies.length === 0) throw badUserInput('A batch has at least one operation.');
    if (bodies.length > limits.batchSizeMax)
      throw tooComplex(`A batch has at most ${limits.batchSizeMax} operations; this one has ${bodies.length}.`);
    const answers: Answer[] = [];
    const spent = { complexity: 0 };
    for (const body of bodies) answers.push(await answerOperation(body, request, spent));
    return answers;
  }

  async function answerOperation(body: unknown, request: FastifyRequest, spent = { complexity: 0 }): Promise<Answer> {
    try {
      const operation = parseRequest(body);
      const parsed = parseDocument(schema, operation.query);
      if ('errors' in parsed) return { errors: parsed.errors.map((error) => maskError(error)) };
      const definition = getOperationAST(parsed.document, operation.operationName);
      if (definition?.operation === 'subscription') {
        throw badUserInput('Subscriptions go over a WebSocket, with the protocol graphql-transport-ws.');
      }
      spent.complexity = checkComplexity(parsed.measures, operation.operationName, operation.variables, spent.complexity);
      const session = await sessionFor(definition, request);
      const context = createContext(services, session, clientAddress(request.raw, trustedProxies));
      // Where no operation is meant none may run: a compiled document would not ask for the name, and nobody has looked what it costs.
      const mayBeCompiled =
        definition && parsed.measures.fields <= limits.documentsCompiledFieldsMax && !wouldBeMisread(definition, operation);
      if (!mayBeCompiled) return await executeUncompiled(operation, context);
      return await executeWithMercurius(operation, parsed.document, context);
    } catch (error) {
      return { errors: faultsOf(error).map((fault) => maskError(fault)) };
    }
  }

  /** A token that opens no session refuses all but what opens a new one: clients send the old token along. */
  async function sessionFor(definition: OperationDefinitionNode | null | undefined, request: FastifyRequest): Promise<SignedIn | null> {
    try {
      return await resolveSession(services, request.headers.authorization);
    } catch (error) {
      if (hasCode(error, 'UNAUTHENTICATED') && opensSession(definition)) return null;
      throw error;
    }
  }

  /**
   * For what Mercurius shall not compile, as it does with whatever comes often: documents so large that everybody would wait for that, and what compiled
   * ones get wrong.
   */
  async function executeUncompiled({ query, variables, operationName }: GraphqlRequest, context: Context): Promise<Answer> {
    const prepared = prepareDocument(schema, query);
    if ('errors' in prepared) return { errors: prepared.errors.map((error) => maskError(error)) };
    const { document } = prepared;
    const { data, errors } = await execute({ schema, document, contextValue: context, variableValues: variables, operationName });
    return { ...(data === undefined ? {} : { data }), ...(errors ? { errors: errors.map((error) => maskError(error)) } : {}) };
  }

  async function executeWithMercurius(operation: GraphqlRequest, parsed: DocumentNode, context: Context): Promise<Answer> {
    const result: ExecutionResult = await app.graphql(sourceOf(operation), { ...context }, operation.variables, operation.operationName);
    const neverExecuted = !result.data && result.errors?.every((error) => error.path === undefined);
    if (!neverExecuted) return result;
    // Compiled documents find the same faults in variables and tell them in other words.
    const faults = faultsOfVariables(schema, parsed, operation);
    return { errors: faults.length > 0 ? faults.map((fault) => maskError(fault)) : result.errors! };
  }

  app.setErrorHandler((error, _, reply) => {
    const masked = maskError(asClientError(error) ?? error);
    return sendAnswer(reply, httpStatusIn(error) ?? statusOf(masked), { errors: [masked] });
  });
  app.setNotFoundHandler((_, reply) =>
    sendAnswer(reply, 404, { errors: [maskError(badUserInput('There is nothing here. GraphQL is at POST /graphql.'))] }),
  );
}

/**
 * Compiled documents miss a variable that must not be null also where it has a default, let a null through to an argument that must not be null where
 * only the default of the variable fits it, and find variables that are named like a member of every object where none were sent.
 */
function wouldBeMisread({ variableDefinitions = [] }: OperationDefinitionNode, { variables }: GraphqlRequest): boolean {
  return variableDefinitions.some(({ variable: { name }, type, defaultValue }) => {
    if (name.value in Object.prototype) return true;
    const given = variables?.[name.value];
    return defaultValue !== undefined && (given === null || (given === undefined && type.kind === Kind.NON_NULL_TYPE));
  });
}

function faultsOfVariables(
  schema: GraphQLSchema,
  document: DocumentNode,
  { operationName, variables }: GraphqlRequest,
): readonly GraphQLError[] {
  const definitions = getOperationAST(document, operationName)?.variableDefinitions ?? [];
  return getVariableValues(schema, definitions, variables ?? {}, { maxErrors: 10 }).errors ?? [];
}

/** Mercurius compiles a document once, for one of its operations: with the name in the text, each operation is a document of its own. */
function sourceOf({ query, operationName }: GraphqlRequest): string {
  return operationName !== undefined && /^\w+$/.test(operationName) ? `${query}\n#${operationName}` : query;
}

function opensSession(definition: OperationDefinitionNode | null | undefined): boolean {
  const selections = definition?.operation === 'mutation' ? definition.selectionSet.selections : [];
  return (
    selections.length > 0 &&
    selections.every((selection) => selection.kind === Kind.FIELD && ['login', 'register'].includes(selection.name.value))
  );
}

function sendAnswer(reply: FastifyReply, status: number, answer: Answer | readonly Answer[]): FastifyReply {
  return reply
    .code(status)
    .header('content-type', 'application/json; charset=utf-8')
    .header('cache-control', 'no-store')
    .send(JSON.stringify(answer));
}

/** Mercurius wraps the errors of documents and variables into one. */
function faultsOf(error: unknown): readonly unknown[] {
  const { errors } = error as { errors?: unknown };
  return Array.isArray(errors) ? errors : [error];
}

const clientErrors: Readonly<Record<string, string>> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'Send JSON, with the header "Content-Type: application/json".',
  FST_ERR_CTP_BODY_TOO_LARGE: `A request has at most ${limits.bodyBytesMax} bytes.`,
  FST_ERR_CTP_EMPTY_JSON_BODY: 'The body is empty; it has to be a JSON object with a "query".',
  FST_ERR_CTP_INVALID_JSON_BODY: 'The body is not JSON.',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'The body is not as long as its Content-Length says.',
};

/** What went wrong before there was an operation: the client's fault, told without the words of the framework. */
function asClientError(error: unknown) {
  const { code } = error as { code?: string };
  if (code !== undefined && code in clientErrors) return badUserInput(clientErrors[code]!);
  if (error instanceof SyntaxError) return badUserInput('The body is not JSON.');
  const status = httpStatusIn(error);
  return status !== undefined && status < 500 ? badUserInput('This request cannot be understood.') : undefined;
}

function httpStatusIn(error: unknown): number | undefined {
  const { statusCode } = error as { statusCode?: unknown };
  return typeof statusCode === 'number' && statusCode >= 400 ? statusCode : undefined;
}

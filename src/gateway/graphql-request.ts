import { badUserInput } from './errors.ts';

/** One operation as a client sends it. */
export interface GraphqlRequest {
  readonly query: string;
  readonly variables?: Record<string, unknown>;
  readonly operationName?: string;
}

/** Members that nobody knows, such as `extensions`, are ignored. @throws BAD_USER_INPUT */
export function parseRequest(body: unknown): GraphqlRequest {
  if (!isObject(body)) throw badUserInput('A request is a JSON object with a "query", or an array of such objects.');
  const { query, variables, operationName } = body;
  if (typeof query !== 'string' || query === '') throw badUserInput('"query" has to be a GraphQL document, as a string.');
  if (variables !== undefined && variables !== null && !isObject(variables)) throw badUserInput('"variables" has to be a JSON object.');
  if (operationName !== undefined && operationName !== null && typeof operationName !== 'string')
    throw badUserInput('"operationName" has to be a string.');
  return { query, ...(variables ? { variables } : {}), ...(operationName ? { operationName } : {}) };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

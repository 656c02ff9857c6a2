import type { GraphQLFormattedError } from 'graphql';
import type { ErrorCode } from './errors.ts';

// Only for what was never executed: an executed operation is 200 whatever is in `errors`, as GraphQL over HTTP has it.
const statuses: Readonly<Partial<Record<ErrorCode, number>>> = {
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  RATE_LIMITED: 429,
  INTERNAL: 500,
  OVERLOADED: 503,
  TIMEOUT: 504,
};

export function statusOf(error: GraphQLFormattedError | undefined): number {
  return statuses[error?.extensions?.code as ErrorCode] ?? 400;
}

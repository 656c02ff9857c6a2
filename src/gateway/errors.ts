import { GraphQLError } from 'graphql';
import type { GraphQLFormattedError } from 'graphql';

import type { Rejection } from '../actors/commands.ts';
import { LogUnavailable } from '../events/event-log.ts';
import type { Logger } from '../logger.ts';
import { limits } from '../limits.ts';
import type { Metrics } from '../metrics.ts';
import { DatabaseUnavailable } from '../projections/database.ts';
import type { Random } from '../random.ts';

/** Every `extensions.code` that a client may see. */
export const errorCodes = [
  'UNAUTHENTICATED',
  'FORBIDDEN',
  'BAD_USER_INPUT',
  'NOT_CAUGHT_UP',
  'CURSOR_INVALID',
  'CURSOR_TOO_OLD',
  'CONSUMER_TOO_SLOW',
  'TIMEOUT',
  'OVERLOADED',
  'RATE_LIMITED',
  'QUERY_TOO_COMPLEX',
  'INTERNAL',
] as const;
export type ErrorCode = (typeof errorCodes)[number];

/** What goes with a code: TIMEOUT names the command to repeat, OVERLOADED and RATE_LIMITED say when. */
export interface ErrorDetails {
  readonly commandId?: string;
  readonly retryAfterMs?: number;
}

export function apiError(code: ErrorCode, message: string, details: ErrorDetails = {}): GraphQLError {
  return new GraphQLError(message, { extensions: { code, ...details } });
}

export function hasCode(error: unknown, code: ErrorCode): boolean {
  return error instanceof GraphQLError && error.extensions.code === code;
}

export const unauthenticated = () => apiError('UNAUTHENTICATED', 'Sign in first: send the header "Authorization: Bearer TOKEN".');
export const badUserInput = (message: string) => apiError('BAD_USER_INPUT', message);
export const cursorInvalid = (message = 'This cursor is not one of this connection.') => apiError('CURSOR_INVALID', message);
export const notCaughtUp = () => apiError('NOT_CAUGHT_UP', 'The read models have not reached that position yet. Try again in a moment.');

// A rejection without a message does not compile.
const rejectionMessages = {
  'handle-taken': 'This handle is taken.',
  'cannot-follow-self': 'Nobody can follow themselves.',
  'user-not-found': 'There is no such user.',
  'post-not-found': 'There is no such post.',
  'not-the-author': 'Only its author can delete a post.',
  'post-empty': 'A post needs some text.',
  'post-too-long': `A post has at most ${limits.postGraphemesMax} characters, and ${limits.postBytesMax} bytes.`,
  'command-id-reused': 'This command id was used for something else.',
} satisfies Record<Rejection, string>;

const userErrorMessages = {
  ...rejectionMessages,
  'handle-invalid': 'A handle has 1 to 30 of the letters a to z, digits and underscores.',
  'password-too-short': 'A password has at least 8 characters.',
  'wrong-credentials': 'Handle or password are wrong.',
} as const;
export type UserErrorCode = keyof typeof userErrorMessages;

export interface UserError {
  readonly code: UserErrorCode;
  readonly message: string;
  readonly field: readonly string[] | null;
}

/** A no of the domain, for `userErrors`. `field`: the path of the input that it is about. */
export function userError(code: UserErrorCode, ...field: string[]): UserError {
  return { code, message: userErrorMessages[code], field: field.length > 0 ? field : null };
}

const knownCodes = new Set<unknown>(errorCodes);
const hasKnownCode = (error: GraphQLError) => knownCodes.has(error.extensions?.code);

/**
 * Turns whatever was thrown into what a client may see. An unforeseen error becomes INTERNAL with an id that the log has too:
 * no message, no SQL and no stack leaves the process.
 */
export function createErrorMask(to: { logger: Logger; metrics: Metrics; random: Random }): (error: unknown) => GraphQLFormattedError {
  return (error) => {
    const masked = mask(error, to);
    to.metrics.graphqlErrors.inc({ code: String(masked.extensions?.code) });
    return masked;
  };
}

function mask(error: unknown, to: { logger: Logger; random: Random }): GraphQLFormattedError {
  const located = error instanceof GraphQLError ? error : undefined;
  if (located && hasKnownCode(located)) return located.toJSON();
  const place = located ? placeOfError(located) : {};
  const cause = located?.originalError ?? error;
  if (located && isRequestError(located))
    return { message: withoutValues(located.message), ...place, extensions: { code: 'BAD_USER_INPUT' } };
  const away = cause instanceof DatabaseUnavailable ? 'read models' : cause instanceof LogUnavailable ? 'event log' : undefined;
  if (away !== undefined) {
    to.logger.warn({ error: (cause as Error).message }, `an operation found the ${away} unavailable`);
    const extensions = { code: 'OVERLOADED', retryAfterMs: limits.retryAfterUnavailableMs };
    return { message: `The ${away} cannot be reached at the moment. Try again.`, ...place, extensions };
  }
  const errorId = Buffer.from(to.random.bytes(9)).toString('base64url');
  to.logger.error({ error: describe(cause), errorId, path: located?.path }, 'an operation failed for no foreseen reason');
  return { message: 'Something went wrong on our side.', ...place, extensions: { code: 'INTERNAL', errorId } };
}

/** Not the error itself: those of a database carry rows with them. */
function describe(cause: unknown): object {
  if (!(cause instanceof Error)) return { name: typeof cause };
  return { name: cause.name, code: (cause as { code?: unknown }).code, stack: cause.stack };
}

/** GraphQL itself found fault with the document, the variables or an argument. Faults of ours have a path and another error as their cause, or none. */
function isRequestError(error: GraphQLError): boolean {
  return error.path === undefined || error.originalError instanceof GraphQLError;
}

/** What GraphQL says of a variable repeats its value, and with that a password, which then stands in the logs of clients. */
function withoutValues(message: string): string {
  const [, variable] = /^Variable "(\$\w+)" got invalid value /.exec(message) ?? [];
  if (variable === undefined) return message;
  const [, path, reason] = /(?: at "([\w.[\]]+)")?; ((?:Expected |Field |\w+ cannot represent ).*)$/s.exec(message) ?? [];
  const why = reason === undefined ? '' : `; ${reason.replace(/(cannot represent [^:]*):.*$/s, '$1.')}`;
  return `Variable "${variable}" got an invalid value${path === undefined ? '' : ` at "${path}"`}${why}`;
}

function placeOfError(error: GraphQLError): Pick<GraphQLFormattedError, 'locations' | 'path'> {
  return { ...(error.locations ? { locations: error.locations } : {}), ...(error.path ? { path: error.path } : {}) };
}

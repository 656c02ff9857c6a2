import { GraphQLError } from 'graphql';
import { describe, expect, test } from 'vitest';
import { apiError, createErrorMask } from '../../../src/gateway/errors.ts';
import type { Logger } from '../../../src/logger.ts';
import { createMetrics } from '../../../src/metrics.ts';
import { DatabaseUnavailable } from '../../../src/projections/database.ts';
import { seededRandom } from '../../../src/random.ts';

const logged: { fields: Record<string, unknown>; message: string }[] = [];
const logger = {
  error: (fields: object, message: string) => logged.push({ fields: { ...fields }, message }),
  warn: () => undefined,
} as unknown as Logger;
const mask = createErrorMask({ logger, metrics: createMetrics(), random: seededRandom(1) });
const located = (cause: Error) => new GraphQLError(cause.message, { path: ['post'], originalError: cause });

describe('an error that reaches a client', () => {
  test('keeps a code of the catalogue with its details', () => {
    const error = apiError('RATE_LIMITED', 'Too many attempts.', { retryAfterMs: 5 });
    expect(mask(error)).toEqual({ message: 'Too many attempts.', extensions: { code: 'RATE_LIMITED', retryAfterMs: 5 } });
  });

  test('that was not foreseen shows an id and nothing else, and the log has the same id', () => {
    const shown = mask(located(new Error('column "password" does not exist in select secret from users')));
    expect(shown).toEqual({
      message: 'Something went wrong on our side.',
      path: ['post'],
      extensions: { code: 'INTERNAL', errorId: expect.any(String) },
    });
    expect(logged.at(-1)?.fields.errorId).toBe(shown.extensions?.errorId);
    expect(JSON.stringify(shown)).not.toMatch(/select|stack|column/);
  });

  test('is logged without the rows that an error of a database carries', () => {
    mask(located(Object.assign(new Error('duplicate key'), { code: '23505', detail: 'Key (handle)=(ada) already exists.' })));
    expect(logged.at(-1)?.fields.error).toEqual({ name: 'Error', code: '23505', stack: expect.stringContaining('duplicate key') });
  });

  test('of a code that is not ours is masked too', () => {
    const foreign = new GraphQLError('secret', { extensions: { code: 'SECRET' }, path: ['a'] });
    expect(mask(foreign).extensions?.code).toBe('INTERNAL');
    expect(mask('a string').extensions?.code).toBe('INTERNAL');
    expect(mask(undefined).message).toBe('Something went wrong on our side.');
  });

  test("of a document or a variable is the client's", () => {
    expect(mask(new GraphQLError('Cannot query field "x".'))).toEqual({
      message: 'Cannot query field "x".',
      extensions: { code: 'BAD_USER_INPUT' },
    });
  });

  test('of a database that is away says when to come back', () => {
    const shown = mask(located(new DatabaseUnavailable('connect ENOENT /secret/path')));
    expect(shown).toEqual({
      message: 'The read models cannot be reached at the moment. Try again.',
      path: ['post'],
      extensions: { code: 'OVERLOADED', retryAfterMs: 1_000 },
    });
  });
});

import { describe, expect, test } from 'vitest';
import type { LogId } from '../../../src/events/ids.ts';
import { connectionOf, pageRange } from '../../../src/gateway/connections.ts';
import { Edge } from '../../../src/gateway/connections.ts';
import { formatCursor } from '../../../src/gateway/cursors.ts';

const logId = '0b1f3a52-7c7e-4d7a-9a5b-0f3a1c2d4e5f' as LogId;
const id = '01912d68-783e-7a03-8467-5661c1243ad4';
const range = (args: Parameters<typeof pageRange>[0]) => pageRange(args, 'home', logId);
const failure = (args: Parameters<typeof pageRange>[0]) => {
  try {
    return range(args);
  } catch (error) {
    const { message, extensions } = error as { message: string; extensions: { code: string } };
    return `${extensions.code}: ${message}`;
  }
};

describe('the arguments of a connection', () => {
  test('left out or null mean the first 20', () => {
    expect(range({})).toEqual({ take: 'first', count: 20 });
    expect(range({ first: null, last: null, after: null, before: null })).toEqual({ take: 'first', count: 20 });
  });

  test('take 0 to 100, from either end', () => {
    expect(range({ first: 0 })).toEqual({ take: 'first', count: 0 });
    expect(range({ first: 100 })).toEqual({ take: 'first', count: 100 });
    expect(range({ last: 1 })).toEqual({ take: 'last', count: 1 });
    expect(range({ first: null, last: 3 })).toEqual({ take: 'last', count: 3 });
  });

  test('outside of that are refused, never cut in silence', () => {
    expect(failure({ first: -1 })).toBe('BAD_USER_INPUT: "first" is 0 to 100, not -1.');
    expect(failure({ first: 101 })).toBe('BAD_USER_INPUT: "first" is 0 to 100, not 101.');
    expect(failure({ last: 101 })).toBe('BAD_USER_INPUT: "last" is 0 to 100, not 101.');
    expect(failure({ first: 1, last: 1 })).toBe('BAD_USER_INPUT: Ask for the first or for the last entries, not for both.');
    expect(failure({ first: 0, last: 0 })).toBe('BAD_USER_INPUT: Ask for the first or for the last entries, not for both.');
  });

  test('may be cursors at both ends', () => {
    const after = { logId, commit: 9, index: 0 };
    const before = { logId, commit: 3, index: 1 };
    const args = { first: 5, after: formatCursor('home', after, id), before: formatCursor('home', before, id) };
    expect(range(args)).toEqual({ take: 'first', count: 5, after, before });
    expect(failure({ after: '' })).toBe('CURSOR_INVALID: This cursor is not one of this connection.');
  });
});

test('a page of a log without events stands at its start', () => {
  const empty = { rows: [], hasNextPage: false, hasPreviousPage: false, position: null };
  expect(connectionOf(empty, logId, () => new Edge('home', { logId, commit: 1, index: 0 }, id, null))).toEqual({
    edges: [],
    pageInfo: { hasNextPage: false, hasPreviousPage: false, startCursor: null, endCursor: null, position: { logId, commit: 0, index: 0 } },
  });
});

import { parse } from 'graphql';
import { describe, expect, test } from 'vitest';
import { parseDocument, prepareDocument } from '../../../src/gateway/documents.ts';
import { checkComplexity, measure } from '../../../src/gateway/query-limits.ts';
import { createSchema } from '../../../src/gateway/schema.ts';
import { limits } from '../../../src/limits.ts';

const schema = createSchema();
const measured = (source: string) => measure(schema, parse(source));
const complexity = (source: string, variables = {}, operation?: string) => measured(source).complexity(operation, variables);
const codesOf = (prepared: ReturnType<typeof prepareDocument>) =>
  'errors' in prepared ? prepared.errors.map((error) => error.extensions.code ?? error.message) : [];

describe('depth', () => {
  test('counts fields nested in each other, through fragments', () => {
    expect(measured('{ viewer { id } }').depth).toBe(2);
    expect(measured('{ homeTimeline { edges { node { author { ...a } } } } } fragment a on User { ... on User { handle } }').depth).toBe(5);
  });

  test('does not count introspection, which has a rule of its own', () => {
    expect(measured('{ __schema { types { fields { type { ofType { ofType { ofType { name } } } } } } } }').depth).toBe(0);
  });

  test('ends where fragments contain themselves', () => {
    const source = '{ viewer { ...a } } fragment a on User { posts { edges { node { author { ...b } } } } } fragment b on User { ...a }';
    expect(measured(source).depth).toBeGreaterThan(1);
    expect(codesOf(prepareDocument(schema, source))[0]).toMatch(/Cannot spread fragment "a" within itself/);
  });
});

test('fragments that go round in large circles are refused for that, and do not exhaust the stack', () => {
  const count = 60;
  const next = (from: number, by: number) => `...f${(from + by) % count}`;
  const fragments = Array.from({ length: count }, (_, at) => `fragment f${at} on __Type { ofType { ${next(at, 1)} ${next(at, 2)} } }`);
  const source = `{ __type(name: "User") { ...f0 } } ${fragments.join(' ')}`;
  expect(codesOf(prepareDocument(schema, source))[0]).toMatch(/Cannot spread fragment "f0" within itself/);
  // What Mercurius is given, which validates by itself.
  expect(codesOf(parseDocument(schema, source))[0]).toMatch(/Cannot spread fragment "f0" within itself/);
});

describe('complexity', () => {
  const connection = limits.connectionComplexity;

  test('multiplies fields by the page that they stand in', () => {
    expect(complexity('{ homeTimeline(first: 10) { edges { node { id text } } } }')).toBe(connection + 10 * 4);
    expect(complexity('{ homeTimeline(last: 10) { edges { cursor } } }')).toBe(connection + 10 * 2);
    expect(complexity('{ homeTimeline { edges { cursor } } }')).toBe(connection + limits.pageSizeDefault * 2);
    expect(complexity('{ viewer { id handle } }')).toBe(3);
  });

  test('takes sizes from variables and their defaults; a size that will be refused counts as the largest', () => {
    const source = 'query ($n: Int = 7) { publicTimeline(first: $n) { edges { cursor } } }';
    expect(complexity(source)).toBe(connection + 7 * 2);
    expect(complexity(source, { n: 3 })).toBe(connection + 3 * 2);
    expect(complexity(source.replaceAll('$n', '$__proto__'))).toBe(connection + 7 * 2);
    expect(complexity(source, { n: 1_000_000 })).toBe(connection + 100 * 2);
    expect(complexity(source, { n: -5 })).toBe(connection + 2);
    expect(complexity(source, { n: 'many' })).toBe(connection + limits.pageSizeDefault * 2);
  });

  test('is that of the operation asked for', () => {
    const source = 'query A { viewer { id } } query B { publicTimeline(first: 2) { edges { cursor } } }';
    expect(complexity(source, {}, 'A')).toBe(2);
    expect(complexity(source, {}, 'B')).toBe(connection + 4);
  });

  test('adds up fragments that double each other without walking them all', () => {
    const levels = Array.from({ length: 40 }, (_, level) => `fragment f${level} on User { ...f${level + 1} ...f${level + 1} }`).join('\n');
    const source = `{ viewer { ...f0 } } ${levels} fragment f40 on User { id }`;
    expect(complexity(source)).toBe(1 + 2 ** 40);
    expect(() => checkComplexity(measured(source), undefined, {})).toThrow(/The complexity is 1099511627777, and at most 20000/);
  });

  test('refuses lists in lists of people, and allows a large page of posts with their authors', () => {
    const nested = '{ viewer { followers(first: 100) { edges { node { followers(first: 100) { edges { node { id } } } } } } } }';
    expect(() => checkComplexity(measured(nested), undefined, {})).toThrow(/complexity/);
    const page =
      '{ homeTimeline(first: 100) { edges { cursor node { id text createdAt author { id handle name viewerFollows } } } pageInfo { hasNextPage endCursor } } }';
    expect(checkComplexity(measured(page), undefined, {})).toBeLessThan(2_000);
  });

  test('of introspection is that of the whole schema, each time', async () => {
    const { getIntrospectionQuery } = await import('graphql');
    expect(checkComplexity(measured(getIntrospectionQuery()), undefined, {})).toBeGreaterThan(limits.introspectionComplexity);
    const often = Array.from({ length: 5 }, (_, index) => `a${index}: __schema { types { name fields { name } } }`).join(' ');
    expect(() => checkComplexity(measured(`{ ${often} }`), undefined, {})).toThrow(/complexity/);
    expect(() =>
      checkComplexity(
        measured(`{ ${often.replaceAll('__schema', '__type(name: "User")').replaceAll('types { name', 'fields { name } x: fields { ')} }`),
        undefined,
        {},
      ),
    ).toThrow(/complexity/);
  });

  test('of a batch adds up', () => {
    const page = measured('{ publicTimeline(first: 100) { edges { node { id } } } }');
    expect(checkComplexity(page, undefined, {}, 100)).toBe(100 + connection + 300);
  });
});

describe('fields', () => {
  test('are counted as often as their fragments are spread', () => {
    expect(measured('{ viewer { id ...a ...a } } fragment a on User { handle name ... on User { bio } }').fields).toBe(2 + 2 * 3);
    expect(measured('query A { viewer { id } } query B { viewer { id name } }').fields).toBe(3);
  });

  test('end where fragments contain themselves', () => {
    expect(measured('{ viewer { ...a } } fragment a on User { id ...b } fragment b on User { name ...a }').fields).toBeLessThan(10);
  });
});

describe('a document', () => {
  test('is refused for its size, its tokens, its aliases and its depth', () => {
    expect(codesOf(parseDocument(schema, `{ viewer { id } } # ${'x'.repeat(limits.queryBytesMax)}`))).toEqual(['QUERY_TOO_COMPLEX']);
    expect(codesOf(parseDocument(schema, `{ viewer { ${'id '.repeat(limits.queryTokensMax)} } }`))).toEqual(['QUERY_TOO_COMPLEX']);
    const aliases = Array.from({ length: limits.queryAliasesMax + 1 }, (_, index) => `a${index}: viewer { id }`).join(' ');
    expect(codesOf(parseDocument(schema, `{ ${aliases} }`))).toEqual(['QUERY_TOO_COMPLEX']);
    const deep =
      '{ viewer { posts { edges { node { author { posts { edges { node { author { posts { edges { node { id } } } } } } } } } } } } }';
    expect(codesOf(parseDocument(schema, deep))).toEqual(['QUERY_TOO_COMPLEX']);
  });

  test('may be two thousand aliases only in the dreams of an attacker', () => {
    const many = Array.from({ length: 400 }, (_, index) => `a${index}: viewer { id }`).join(' ');
    expect(
      codesOf(prepareDocument(schema, `subscription { homeTimeline { node { author { ${many.replaceAll('viewer { id }', 'id')} } } } }`)),
    ).toEqual(['QUERY_TOO_COMPLEX']);
  });

  test('that is wrong is told why, the same each time', () => {
    expect(codesOf(prepareDocument(schema, '{ nonsense }'))).toEqual(['Cannot query field "nonsense" on type "Query".']);
    expect(codesOf(prepareDocument(schema, '{ viewer { '))).toEqual(['Syntax Error: Expected Name, found <EOF>.']);
    expect(prepareDocument(schema, '{ nonsense }')).toBe(prepareDocument(schema, '{ nonsense }'));
  });

  test('lets tools introspect, but not without end', async () => {
    const { getIntrospectionQuery } = await import('graphql');
    expect(codesOf(prepareDocument(schema, getIntrospectionQuery({ descriptions: true })))).toEqual([]);
    const endless = '{ __schema { types { fields { type { fields { type { fields { type { fields { name } } } } } } } } } }';
    expect(codesOf(prepareDocument(schema, endless))).toEqual(['Maximum introspection depth exceeded']);
  });
});

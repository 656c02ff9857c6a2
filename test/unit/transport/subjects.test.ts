import { expect, it } from 'vitest';
import { assertPattern, assertSubject, matches } from '../../../src/transport/subject-pattern.ts';
import { commandSubject, metersSubject, shardCount, shardOf } from '../../../src/transport/subjects.ts';

it('spreads users evenly over the shards, the same way everywhere', () => {
  expect(shardOf('3f0d6b0e-8f0c-5d8c-9d0a-0d5c7a3f6a11')).toBe(shardOf('3f0d6b0e-8f0c-5d8c-9d0a-0d5c7a3f6a11'));
  expect(shardOf('')).toBe(0xe3);
  const counts = Array.from({ length: shardCount }, () => 0);
  for (let index = 0; index < 25_600; index += 1) counts[shardOf(`user-${index}`)]! += 1;
  expect(Math.min(...counts)).toBeGreaterThan(50);
  expect(Math.max(...counts)).toBeLessThan(160);
});

it('makes subjects that both transports take, the name space included', () => {
  assertSubject(commandSubject('3f0d6b0e-8f0c-5d8c-9d0a-0d5c7a3f6a11', 'a1', 255));
  assertSubject(metersSubject('default'));
  assertPattern(commandSubject('default', 'a1', '*'));
  expect(matches(commandSubject('s', 'a1', '*'), commandSubject('s', 'a1', 9))).toBe(true);
  expect(matches(commandSubject('s', 'a1', '*'), commandSubject('t', 'a1', 9))).toBe(false);
});

import { expect, test } from 'vitest';
import { readableLine } from '../../../src/cli/cluster/readable-log.ts';

test('a line of our own becomes a time, a message and its fields', () => {
  const line = JSON.stringify({ level: 30, time: '2026-01-02T03:04:05.678Z', node: 'a1', shards: 3, path: 'a b', msg: 'node started' });
  expect(readableLine(line)).toBe('03:04:05.678 node started node=a1 shards=3 path="a b"');
});

test('warnings and errors say so, and an error shows its message alone', () => {
  const err = { type: 'Error', message: 'no "way"', stack: 'Error: no way\n at x' };
  expect(readableLine(JSON.stringify({ level: 50, time: '2026-01-02T03:04:05.678Z', err, msg: 'it broke' }))).toBe(
    '03:04:05.678 ERROR it broke err="no \\"way\\""',
  );
  expect(readableLine(JSON.stringify({ level: 40, time: '2026-01-02T03:04:05.678Z', msg: 'careful' }))).toBe('03:04:05.678 WARN careful');
});

test.each(['[1] 2026/01/02 [WRN] slow', '{"level":"x"}', '{broken', ''])('what is not ours stays as it is: %s', (line) => {
  expect(readableLine(line)).toBe(line);
});

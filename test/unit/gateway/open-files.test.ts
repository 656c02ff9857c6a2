import { expect, test } from 'vitest';
import { connectionsPossible } from '../../../src/gateway/open-files.ts';
import { limits } from '../../../src/limits.ts';

const saying = (soft: string) =>
  `Limit                     Soft Limit           Hard Limit           Units\nMax processes             7823                 7823                 processes\nMax open files            ${soft}               1048576              files\n`;

test('connections leave files for everything else', () => {
  expect(connectionsPossible(saying('1048576'))).toBe(limits.connectionsMax);
  expect(connectionsPossible(saying('20000'))).toBe(20_000 - limits.filesReserved);
  expect(connectionsPossible(saying('256'))).toBe(128);
});

test('connections have their own limit where the system tells none', () => {
  expect(connectionsPossible('')).toBe(limits.connectionsMax);
  expect(connectionsPossible(saying('unlimited'))).toBe(limits.connectionsMax);
});

test('the limits of this very process can be read', () => {
  expect(connectionsPossible()).toBeGreaterThan(0);
  expect(connectionsPossible()).toBeLessThanOrEqual(limits.connectionsMax);
});

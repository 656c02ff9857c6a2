import fc from 'fast-check';
import { expect, test } from 'vitest';
import { hashOfCommandId, RememberedCommands } from '../../../src/actors/remembered-commands.ts';
import type { CommandId } from '../../../src/events/ids.ts';

const bounds = { rememberedCommandsMin: 3, rememberedCommandsMax: 20, rememberedCommandsMs: 10_000 };
const second = 1_000;

test('the last few are remembered whatever their age', () => {
  const commands = new RememberedCommands(undefined, bounds);
  for (let n = 0; n < 10; n++) commands.remember(n, n, n * 1_000 * second);
  expect(commands.size).toBe(3);
  expect([6, 7, 8, 9].map((n) => commands.commitsOf(n))).toEqual([[], [7], [8], [9]]);
});

test('those of the last while are remembered however many they are', () => {
  const commands = new RememberedCommands(undefined, bounds);
  for (let n = 0; n < 10; n++) commands.remember(n, n, n * second);
  expect(commands.size).toBe(10);
  expect(commands.commitsOf(0)).toEqual([0]);
});

test('beyond the bound the oldest are forgotten', () => {
  const commands = new RememberedCommands(undefined, bounds);
  for (let n = 0; n < 100; n++) commands.remember(n, n, 0);
  expect(commands.size).toBe(20);
  expect(commands.commitsOf(79)).toEqual([]);
  expect(commands.commitsOf(80)).toEqual([80]);
});

test('agrees with a plain list, with and without an index', () => {
  const step = fc.record({ hash: fc.nat(30), pauseMs: fc.constantFrom(0, 1, 500, 5_000) });
  fc.assert(
    fc.property(
      fc.array(step, { minLength: 1, maxLength: 1_500, size: 'max' }),
      fc.constantFrom(3, 200, 900),
      (steps, rememberedCommandsMin) => {
        const own = { rememberedCommandsMin, rememberedCommandsMax: 1_000, rememberedCommandsMs: 60_000 };
        const commands = new RememberedCommands(undefined, own);
        let time = 0;
        const plain: { hash: number; version: number; time: number }[] = [];
        for (const [version, { hash, pauseMs }] of steps.entries()) {
          time += pauseMs;
          commands.remember(hash, version, time);
          plain.push({ hash, version, time });
        }
        const kept = plain.filter(
          (each, n) => n >= plain.length - rememberedCommandsMin || (each.time >= time - 60_000 && n >= plain.length - 1_000),
        );
        for (const { hash } of steps.slice(0, 30)) {
          const versions = commands.commitsOf(hash);
          // What must be remembered is; what is remembered beyond that is true.
          expect(versions).toEqual(expect.arrayContaining(kept.filter((each) => each.hash === hash).map((each) => each.version)));
          expect(versions.filter((version) => plain[version]!.hash !== hash)).toEqual([]);
          expect(versions).toEqual(versions.toSorted((a, b) => b - a));
        }
        expect(commands.size).toBeLessThanOrEqual(1_000);
        const again = new RememberedCommands(commands.packed(), own);
        for (const other of [commands, again]) other.remember(7, steps.length, time);
        expect(again.packed()).toEqual(commands.packed());
        expect(again.commitsOf(7)).toEqual(commands.commitsOf(7));
      },
    ),
    { numRuns: 60 },
  );
});

test('takes at most 32 bytes for each of many commands', () => {
  const commands = new RememberedCommands();
  let bytesMax = 0;
  for (let n = 0; n < 20_000; n++) {
    commands.remember(n, n, n);
    if (n > 1_000 && n % 97 === 0) bytesMax = Math.max(bytesMax, commands.bytes / commands.size);
  }
  expect(bytesMax).toBeLessThanOrEqual(32);
});

test('holds numbers of commits of any size', () => {
  const commands = new RememberedCommands(undefined, bounds);
  for (const commit of [2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER]) commands.remember(1, commit, 0);
  expect(commands.commitsOf(1)).toEqual([Number.MAX_SAFE_INTEGER, 2 ** 32, 2 ** 32 - 1]);
});

test('goes on from an empty packed form', () => {
  const commands = new RememberedCommands(new RememberedCommands().packed());
  commands.remember(1, 5, 0);
  expect(commands.commitsOf(1)).toEqual([5]);
});

test('hashes of ids depend on the log', () => {
  const id = 'client-1' as CommandId;
  expect(hashOfCommandId(id, 'a')).toBe(hashOfCommandId(id, 'a'));
  expect(hashOfCommandId(id, 'a')).not.toBe(hashOfCommandId(id, 'b'));
  expect(hashOfCommandId(id, 'a')).toBeLessThan(2 ** 32);
});

test('hashes of ids stay as they are: they stand in snapshots, which another one would leave without a memory', () => {
  expect(hashOfCommandId('client-1' as CommandId, 'a')).toMatchInlineSnapshot(`2821344377`);
});

import { describe, expect, it } from 'vitest';
import { CommandWindow } from '../../../src/cli/verify/command-window.ts';
import type { CommandId } from '../../../src/events/ids.ts';
import { limits } from '../../../src/limits.ts';

const day = limits.rememberedCommandsMs;
const id = (number: number) => `c ${number}` as CommandId;

describe('the window in which a command must not have a second effect', () => {
  it('holds the last 256 commands, however old', () => {
    const window = new CommandWindow();
    for (let number = 0; number < 256; number += 1) expect(window.add(id(number), number + 1, 0)).toBe(undefined);
    expect(window.add(id(0), 300, 30 * day)).toBe(1);
  });

  it('ends after 256 commands and 24 hours, not before both', () => {
    const window = new CommandWindow();
    for (let number = 0; number < 257; number += 1) window.add(id(number), number + 1, number);
    expect(window.add(id(0), 300, day)).toBe(1);
    const later = new CommandWindow();
    for (let number = 0; number < 257; number += 1) later.add(id(number), number + 1, number);
    expect(later.add(id(0), 300, day + 1)).toBe(undefined);
  });

  it('holds every command of a busy day, and forgets the days before', () => {
    const window = new CommandWindow();
    for (let number = 0; number < 20_000; number += 1) window.add(id(number), number + 1, number * 10);
    expect(window.add(id(3), 30_000, 200_000)).toBe(4);
    expect(window.add(id(19_000), 30_001, 190_000 + day)).toBe(19_001);
    expect(window.add(id(18_000), 30_002, 190_000 + day)).toBe(undefined);
  });
});

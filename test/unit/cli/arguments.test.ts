import { describe, expect, it } from 'vitest';
import type { CommandSpec } from '../../../src/cli/arguments.ts';
import { UsageError, helpText, parseArguments } from '../../../src/cli/arguments.ts';

const spec: CommandSpec = {
  name: 'fly',
  summary: 'Fly somewhere.',
  positionals: [
    { name: 'WHERE', says: 'the place' },
    { name: 'VIA', optional: true, says: 'a stop on the way' },
  ],
  options: { fast: { says: 'hurry' }, height: { placeholder: 'METRES', says: 'how high' } },
  settings: ['data', 'logLevel'],
};

describe('parseArguments', () => {
  it('tells positionals, switches, texts and settings apart', () => {
    expect(parseArguments(spec, ['south', '--fast', '--height=3', '--data', '/d', '--log-level', 'info'])).toEqual({
      help: false,
      positionals: ['south'],
      switches: new Set(['fast']),
      text: { height: '3', data: '/d', 'log-level': 'info' },
      flags: { data: '/d', logLevel: 'info' },
    });
  });

  it('lets the last of two win, and -- end the options', () => {
    const given = parseArguments(spec, ['--height', '1', '--height', '-2', '--', '--fast']);
    expect(given).toMatchObject({ text: { height: '-2' }, positionals: ['--fast'] });
    expect(given.switches.size).toBe(0);
  });

  it.each([
    [['south', '--fsat'], 'unknown option --fsat; did you mean --fast?'],
    [['south', '--wings'], 'unknown option --wings'],
    [['south', '-f'], 'unknown option -f'],
    [['south', '--fast=yes'], '--fast takes no value'],
    [['south', '--height'], '--height needs a value: --height METRES'],
    [['south', '--height', '--fast'], '--height needs a value: --height METRES'],
    [[], 'WHERE is missing: the place'],
    [['a', 'b', 'c'], 'unexpected argument "c"'],
  ])('refuses %j', (argv, message) => {
    const parse = () => parseArguments(spec, argv);
    expect(parse).toThrow(UsageError);
    expect(parse).toThrow(new UsageError(message));
  });

  it('asks for nothing else where help is wanted', () => {
    expect(parseArguments(spec, ['--help']).help).toBe(true);
    expect(parseArguments(spec, ['-h']).help).toBe(true);
  });

  it('writes the help from the same table', () => {
    const text = helpText(spec);
    expect(text).toContain('Usage: starling fly WHERE [VIA] [OPTIONS]');
    expect(text).toMatch(/--height METRES {4}how high/);
    expect(text).toContain('data directory (default ./data); or STARLING_DATA');
  });
});

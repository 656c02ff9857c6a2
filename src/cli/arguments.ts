import { parseArgs } from 'node:util';
import type { Setting, SettingName } from '../settings.ts';
import { settings } from '../settings.ts';

/** What a command takes; `--help` is written from it. */
export interface CommandSpec {
  readonly name: string;
  readonly summary: string;
  /** Names of the positionals in order; `[NAME]` may be left out. */
  readonly positionals?: readonly { readonly name: string; readonly optional?: boolean; readonly says: string }[];
  readonly options?: Readonly<Record<string, OptionSpec>>;
  /** Settings of `settings.ts` that it takes as flags as well. */
  readonly settings?: readonly SettingName[];
  /** What a setting means here, where that is not what `settings.ts` says. */
  readonly meanings?: Partial<Record<SettingName, string>>;
  /** Settings that have no flag. */
  readonly environment?: readonly SettingName[];
  /** Sentences below the options. */
  readonly notes?: readonly string[];
}

export interface OptionSpec {
  /** Absent: a switch without a value. */
  readonly placeholder?: string;
  /** The command does nothing without it. */
  readonly needed?: boolean;
  readonly says: string;
}

export interface Arguments {
  readonly help: boolean;
  readonly positionals: readonly string[];
  readonly text: Readonly<Record<string, string>>;
  readonly switches: ReadonlySet<string>;
  readonly flags: Partial<Record<SettingName, string>>;
}

/** The user called us in a way we do not know: exit code 2. */
export class UsageError extends Error {
  readonly code = 'USAGE';
  override readonly name = 'UsageError';
}

/** @throws {UsageError} naming the argument and, where one is near, what may have been meant. */
export function parseArguments(spec: CommandSpec, argv: readonly string[]): Arguments {
  const known = optionsOf(spec);
  const { tokens, positionals } = parseArgs({
    args: [...argv],
    strict: false,
    tokens: true,
    allowPositionals: true,
    options: Object.fromEntries(
      [...known].map(([name, option]) => [name, { type: option.placeholder ? ('string' as const) : ('boolean' as const) }]),
    ),
  });
  const text: Record<string, string> = {};
  const switches = new Set<string>();
  const flags: Partial<Record<SettingName, string>> = {};
  for (const token of tokens) {
    if (token.kind !== 'option') continue;
    const name = token.rawName === '-h' ? 'help' : token.name;
    const option = token.rawName.startsWith('--') || name === 'help' ? known.get(name) : undefined;
    if (option === undefined) throw new UsageError(`unknown option ${token.rawName}${hint(name, [...known.keys()], '--')}`);
    if (option.placeholder === undefined) {
      if (token.value !== undefined) throw new UsageError(`--${name} takes no value`);
      switches.add(name);
      continue;
    }
    if (token.value === undefined || (!token.inlineValue && token.value.startsWith('--')))
      throw new UsageError(`--${name} needs a value: --${name} ${option.placeholder}`);
    text[name] = token.value;
    if (option.setting) flags[option.setting] = token.value;
  }
  const help = switches.has('help');
  const wanted = spec.positionals ?? [];
  if (!help && positionals.length > wanted.length) throw new UsageError(`unexpected argument "${positionals[wanted.length]}"`);
  const missing = wanted.find((positional, index) => !positional.optional && positionals[index] === undefined);
  if (!help && missing) throw new UsageError(`${missing.name} is missing: ${missing.says}`);
  return { help, positionals, text, switches, flags };
}

export function helpText(spec: CommandSpec): string {
  const options = [...optionsOf(spec)].map(
    ([name, option]) => [`--${name}${option.placeholder ? ` ${option.placeholder}` : ''}`, describe(option)] as const,
  );
  const positionals = (spec.positionals ?? []).map((positional) => [positional.name, positional.says] as const);
  const usage = [
    'Usage: starling',
    spec.name,
    ...(spec.positionals ?? []).map((positional) => (positional.optional ? `[${positional.name}]` : positional.name)),
    ...Object.entries(spec.options ?? {}).flatMap(([name, { needed, placeholder }]) => (needed ? [`--${name} ${placeholder}`] : [])),
    '[OPTIONS]',
  ];
  const environment = (spec.environment ?? []).map((name) => [settings[name].environment, meaningOf(spec, name)] as const);
  const notes = spec.notes?.length ? ['', ...spec.notes] : [];
  return [
    spec.summary,
    '',
    usage.join(' '),
    ...section('Arguments', positionals),
    ...section('Options', options),
    ...section('Environment', environment),
    ...notes,
  ].join('\n');
}

/** Two columns below a heading. */
export function section(heading: string, rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(0, ...rows.map(([left]) => left.length));
  return rows.length === 0 ? [] : ['', `${heading}:`, ...rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`)];
}

/** `; did you mean …?` where something known is at most two typing errors away. */
export function hint(name: string, known: readonly string[], prefix = ''): string {
  const near = known
    .map((candidate) => ({ candidate, distance: editDistance(name, candidate) }))
    .sort((a, b) => a.distance - b.distance)[0];
  return near && near.distance <= 2 && near.distance < name.length ? `; did you mean ${prefix}${near.candidate}?` : '';
}

type KnownOption = OptionSpec & { readonly setting?: SettingName };

function optionsOf(spec: CommandSpec): Map<string, KnownOption> {
  const known = new Map<string, KnownOption>(Object.entries(spec.options ?? {}));
  for (const name of spec.settings ?? []) {
    const setting: Setting = settings[name];
    if (setting.flag !== undefined)
      known.set(setting.flag, { placeholder: setting.placeholder, says: meaningOf(spec, name), setting: name });
  }
  return known.set('help', { says: 'show this help' });
}

function meaningOf(spec: CommandSpec, name: SettingName): string {
  return spec.meanings?.[name] ?? settings[name].says;
}

function describe(option: KnownOption): string {
  return option.setting ? `${option.says}; or ${settings[option.setting].environment}` : option.says;
}

/** Levenshtein's distance: insertions, deletions and replacements that turn one word into the other. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) next[j] = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1));
    row = next;
  }
  return row[b.length]!;
}

import { JobFailed } from '../control-protocol.ts';

type Given = Readonly<Record<string, unknown>>;

/** Whatever comes over the control socket is checked; an argument that no job knows is refused, since the asker believes in it. */
export function onlyArguments(given: Given, known: readonly string[]): void {
  const unknown = Object.keys(given).find((name) => !known.includes(name));
  if (unknown !== undefined) throw wrong(unknown, `is not known: ${known.join(', ') || 'none'} are`);
}

export function textArgument(given: Given, name: string, lengthMax = 4096): string | undefined {
  const value = given[name];
  if (value === undefined) return undefined;
  if (typeof value !== 'string' || value.length === 0 || value.length > lengthMax || value.includes('\0'))
    throw wrong(name, `must be text of 1 to ${lengthMax} characters`);
  return value;
}

export function pathArgument(given: Given, name: string): string | undefined {
  const value = textArgument(given, name);
  if (value !== undefined && !value.startsWith('/') && process.platform !== 'win32') throw wrong(name, 'must be an absolute path');
  return value;
}

export function numberArgument(given: Given, name: string, otherwise: number, min: number, max: number): number {
  const value = given[name] ?? otherwise;
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max)
    throw wrong(name, `must be a whole number from ${min} to ${max}`);
  return value;
}

export function switchArgument(given: Given, name: string): boolean {
  const value = given[name] ?? false;
  if (typeof value !== 'boolean') throw wrong(name, 'must be true or false');
  return value;
}

export function wrong(name: string, what: string): JobFailed {
  return new JobFailed('BAD_REQUEST', `argument "${name}" ${what}`);
}

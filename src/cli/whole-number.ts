import type { Arguments } from './arguments.ts';
import { UsageError } from './arguments.ts';

/** An option that counts something. @throws {UsageError} */
export function wholeNumber(given: Arguments, name: string, otherwise: number, min: number, max: number): number {
  const text = given.text[name];
  if (text === undefined) return otherwise;
  const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= min && value <= max)) throw new UsageError(`--${name}: "${text}" is not a whole number from ${min} to ${max}`);
  return value;
}

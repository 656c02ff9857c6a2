import { findInput, readTexts } from '../bench/input.ts';
import type { Input } from '../bench/input.ts';

/**
 * The real network and posts, from STARLING_TEST_DATA or `../shared/data` beside the project; where neither is, a small seeded
 * power-law network made in `folder`, so that every test runs anywhere. `label` says which it is.
 */
export function testData(folder: string, generatedUsers = 1_000): Promise<Input> {
  return findInput({ data: undefined, generatedUsers, folder, generate: false });
}

export { readTexts };
export type { Input };

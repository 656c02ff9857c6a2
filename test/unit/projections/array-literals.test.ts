import { describe, expect, it } from 'vitest';
import { plainArray, textArray } from '../../../src/projections/array-literals.ts';

describe('array literals', () => {
  it('leave plain values as they are', () => {
    expect(plainArray([1, 2n, 'a-b', null])).toBe('{1,2,a-b,null}');
    expect(plainArray([])).toBe('{}');
  });

  it('quote texts, whatever is in them', () => {
    expect(textArray(['a', '', 'null', 'x,y}', '"', '\\', '\n'])).toBe('{"a","","null","x,y}","\\"","\\\\","\n"}');
  });
});

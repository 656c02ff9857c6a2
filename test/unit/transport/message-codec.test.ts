import fc from 'fast-check';
import { expect, it } from 'vitest';
import { decodeMessage, encodeMessage } from '../../../src/transport/message-codec.ts';

it('brings every message through its bytes', () => {
  // A minus zero is the one JSON value that JSON does not keep.
  const body = fc.jsonValue().map((value) => JSON.parse(JSON.stringify(value)) as unknown);
  fc.assert(
    fc.property(fc.string(), fc.integer({ min: 1 }), body, (type, format, value) => {
      expect(decodeMessage(encodeMessage({ type, format, body: value }))).toEqual({ type, format, body: value });
    }),
  );
});

it('makes a message of bytes only where they hold one', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array(),
        fc.json().map((text) => new TextEncoder().encode(text)),
      ),
      (bytes) => {
        const decoded = decodeMessage(bytes);
        if (decoded === undefined) return;
        expect(typeof decoded.type).toBe('string');
        expect(decoded.format).toBeGreaterThanOrEqual(1);
      },
    ),
  );
  expect(decodeMessage(new TextEncoder().encode('{"type":"a","format":1}'))).toEqual({ type: 'a', format: 1 });
  expect(decodeMessage(new Uint8Array([0xff, 0xfe]))).toBeUndefined();
});

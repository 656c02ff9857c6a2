import type { Message } from './transport.ts';

// Bytes on the wire: JSON of { type, format, body }. What a body holds is checked by whoever knows the type.

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

export function encodeMessage(message: Message): Uint8Array {
  return encoder.encode(JSON.stringify(message));
}

/** The message, or undefined when the bytes are none: anybody on the same network may write to a subject. */
export function decodeMessage(bytes: Uint8Array): Message | undefined {
  let value: unknown;
  try {
    value = JSON.parse(decoder.decode(bytes));
  } catch {
    return undefined;
  }
  return isMessage(value) ? value : undefined;
}

function isMessage(value: unknown): value is Message {
  if (typeof value !== 'object' || value === null || !('type' in value) || !('format' in value)) return false;
  return typeof value.type === 'string' && Number.isSafeInteger(value.format) && Number(value.format) >= 1;
}

import { hash as hashOf } from 'node:crypto';
import type { CommandId, PostId } from '../../events/ids.ts';
import { parsePostId } from '../../events/ids.ts';
import { seededRandom } from '../../random.ts';

// Everything about an imported post derives from its text and from how often this text stood in the file before. So a line that is
// added, taken out or moved changes nothing for the others, and importing the file again finds every post where it was.

/** Gives a text its author: the more followers, the more posts; nobody without followers writes, unless nobody has any. */
export function createAuthors(followers: Uint32Array, seed: number): (fingerprint: Buffer) => number {
  const upTo = new Float64Array(followers.length);
  let sum = 0;
  for (const [place, count] of followers.entries()) upTo[place] = sum += count;
  return (fingerprint) => {
    const drawn = seededRandom((seed ^ fingerprint.readUInt32LE(0)) >>> 0).float();
    return sum === 0 ? Math.floor(drawn * followers.length) : firstAbove(upTo, drawn * sum);
  };
}

/** Tells lines with the same text apart by counting them. */
export function createFingerprints(): (text: string) => Buffer {
  const seen = new Map<string, number>();
  return (text) => {
    const first = hash('post', '0', text);
    const key = first.toString('latin1', 0, 12);
    const occurrence = seen.get(key) ?? 0;
    seen.set(key, occurrence + 1);
    return occurrence === 0 ? first : hash('post', String(occurrence), text);
  };
}

/** The shape of a UUIDv7 with the bits of a hash; its time is a fixed one, the start of 2020, since the file knows none. */
export function importedPostId(author: string, fingerprint: Buffer): PostId {
  const bytes = Buffer.alloc(16);
  bytes.writeUIntBE(Date.UTC(2020, 0, 1), 0, 6);
  hash('post-id', author, fingerprint.toString('latin1')).copy(bytes, 6, 0, 10);
  bytes[6] = (bytes[6]! & 0x0f) | 0x70;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return parsePostId(`${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`)!;
}

/**
 * Ids of commands, of handles and ids, none of which can hold a colon. Marked with a hash of the random name space of the log, so that no user who
 * knows what will be imported can take them for something else before.
 */
export function createCommandIds(namespace: string): (...content: string[]) => CommandId {
  const mark = hash('import', namespace).toString('base64url', 0, 12);
  return (...content) => `import:${mark}:${content.join(':')}` as CommandId;
}

function hash(...parts: string[]): Buffer {
  let content = '';
  // The length before each part: no two lists of parts make the same bytes.
  for (const part of parts) content += `${Buffer.byteLength(part)}:${part}`;
  return hashOf('sha256', content, 'buffer');
}

/** The first place whose value is above `wanted`; `values` do not fall. */
function firstAbove(values: Float64Array, wanted: number): number {
  let low = 0;
  let high = values.length - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (values[middle]! > wanted) high = middle;
    else low = middle + 1;
  }
  return low;
}

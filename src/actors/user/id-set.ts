const idBytes = 16;
/** Four ids: the largest array that V8 keeps inside its own heap, without a buffer beside it. */
const capacityMin = 4 * idBytes;

/** The id that is looked for, as bytes; shared, since looking for one never waits. */
const wanted = new Uint8Array(idBytes);

/**
 * A set of UUIDs, packed and sorted: 16 bytes for each in one buffer that grows by a quarter.
 * A JavaScript `Set` of their texts takes about 120; an actor with thousands of posts must stay small.
 */
export class IdSet {
  #bytes: Uint8Array;
  #size: number;

  constructor(packed?: Uint8Array) {
    this.#bytes = packed ?? new Uint8Array(capacityMin);
    this.#size = packed === undefined ? 0 : packed.length / idBytes;
  }

  get size(): number {
    return this.#size;
  }

  has(id: string): boolean {
    parseInto(wanted, id);
    return this.#find() >= 0;
  }

  add(id: string): void {
    parseInto(wanted, id);
    const found = this.#find();
    if (found >= 0) return;
    const at = ~found * idBytes;
    const end = this.#size * idBytes;
    if (end === this.#bytes.length) this.#resize(end + Math.max(capacityMin, Math.ceil(this.#size / 4) * idBytes));
    this.#bytes.copyWithin(at + idBytes, at, end);
    this.#bytes.set(wanted, at);
    this.#size++;
  }

  delete(id: string): void {
    parseInto(wanted, id);
    const found = this.#find();
    if (found < 0) return;
    const end = this.#size * idBytes;
    this.#bytes.copyWithin(found * idBytes, (found + 1) * idBytes, end);
    this.#size--;
    // Half empty: give the rest back, but keep room for the next few.
    if (this.#bytes.length > 2 * capacityMin && end * 2 < this.#bytes.length) this.#resize(end + capacityMin);
  }

  /** The ids, 16 bytes each, in order; a copy. `new IdSet(packed)` makes the same set of it. */
  packed(): Uint8Array {
    return this.#bytes.slice(0, this.#size * idBytes);
  }

  /** Index of `wanted`, or the complement of the index where it belongs. */
  #find(): number {
    // Ids of posts begin with their time, so that the next one nearly always belongs at the end.
    if (this.#size === 0 || this.#compare(this.#size - 1) < 0) return ~this.#size;
    let low = 0;
    let high = this.#size - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const order = this.#compare(middle);
      if (order === 0) return middle;
      if (order < 0) low = middle + 1;
      else high = middle - 1;
    }
    return ~low;
  }

  /** Below zero when the id at `index` comes before `wanted`. */
  #compare(index: number): number {
    const from = index * idBytes;
    for (let offset = 0; offset < idBytes; offset++) {
      const difference = this.#bytes[from + offset]! - wanted[offset]!;
      if (difference !== 0) return difference;
    }
    return 0;
  }

  #resize(length: number): void {
    const bytes = new Uint8Array(length);
    bytes.set(this.#bytes.subarray(0, Math.min(length, this.#bytes.length)));
    this.#bytes = bytes;
  }
}

/** Trusts its input: ids are checked where they enter the system. */
function parseInto(bytes: Uint8Array, id: string): void {
  let at = 0;
  for (let offset = 0; offset < idBytes; offset++) {
    if (id.charCodeAt(at) === 0x2d) at++;
    bytes[offset] = (hexDigit(id.charCodeAt(at)) << 4) | hexDigit(id.charCodeAt(at + 1));
    at += 2;
  }
}

function hexDigit(code: number): number {
  return code < 0x40 ? code - 0x30 : code - 0x57;
}

import { hash } from 'node:crypto';
import type { CommandId } from '../events/ids.ts';
import { limits } from '../limits.ts';

// One entry: hash of the id, number of the commit (low half, high half), time in seconds.
const entryWords = 4;
const secondsWord = 3;
const word = 2 ** 32;
const capacityMin = 4;
/** Up to here looking at every entry is as fast as an index. */
const entriesWithoutIndex = 512;
const none: readonly number[] = [];

export interface RememberedCommandsBounds {
  readonly rememberedCommandsMin: number;
  readonly rememberedCommandsMax: number;
  readonly rememberedCommandsMs: number;
}

/**
 * Which commands an actor has carried out: the last 256, and at least those of the last 24 hours.
 * An entry holds only a hash of the id and the commit in which the log has the truth, so that 16 bytes are enough;
 * a hit is a question to the log, not yet an answer. What is forgotten depends on the stream alone, never on the clock
 * of whoever reads it, so that recovery and life agree.
 */
export class RememberedCommands {
  #entries: Uint32Array;
  #first = 0;
  #end = 0;
  #index: ChainIndex | undefined;
  readonly #bounds: RememberedCommandsBounds;

  constructor(packed?: Uint32Array, bounds: RememberedCommandsBounds = limits) {
    this.#entries = packed ?? new Uint32Array(capacityMin * entryWords);
    this.#end = packed === undefined ? 0 : packed.length / entryWords;
    this.#bounds = bounds;
    this.#reindex();
  }

  get size(): number {
    return this.#end - this.#first;
  }

  /** What its arrays take. */
  get bytes(): number {
    return this.#entries.byteLength + (this.#index?.bytes ?? 0);
  }

  /** `time` in milliseconds since the epoch, never falling. */
  remember(idHash: number, commit: number, time: number): void {
    if (this.#end * entryWords === this.#entries.length) this.#makeRoom();
    const seconds = Math.floor(time / 1000);
    const at = this.#end * entryWords;
    this.#entries[at] = idHash;
    this.#entries[at + 1] = commit % word;
    this.#entries[at + 2] = Math.floor(commit / word);
    this.#entries[at + secondsWord] = seconds;
    this.#index?.add(idHash, this.#end);
    this.#end++;
    this.#forget(seconds);
  }

  /** Numbers of the commits, newest first, in which a command whose id has this hash was carried out: usually none, hardly ever more than one. */
  commitsOf(idHash: number): readonly number[] {
    let found: number[] | undefined;
    const look = (entry: number) => {
      const at = entry * entryWords;
      if (this.#entries[at] === idHash) (found ??= []).push(this.#entries[at + 2]! * word + this.#entries[at + 1]!);
    };
    if (this.#index === undefined) for (let entry = this.#end - 1; entry >= this.#first; entry--) look(entry);
    else this.#index.visit(idHash, this.#first, look);
    return found ?? none;
  }

  /** The entries in order; a copy. `new RememberedCommands(packed)` remembers the same. */
  packed(): Uint32Array {
    return this.#entries.slice(this.#first * entryWords, this.#end * entryWords);
  }

  #forget(nowSeconds: number): void {
    const { rememberedCommandsMin, rememberedCommandsMax, rememberedCommandsMs } = this.#bounds;
    const oldest = nowSeconds - Math.ceil(rememberedCommandsMs / 1000) - 1;
    while (
      this.size > rememberedCommandsMax ||
      (this.size > rememberedCommandsMin && this.#entries[this.#first * entryWords + secondsWord]! < oldest)
    ) {
      this.#first++;
    }
  }

  /** Slides the entries to the front when a quarter is forgotten, and grows by a quarter otherwise. */
  #makeRoom(): void {
    const kept = this.#entries.subarray(this.#first * entryWords, this.#end * entryWords);
    if (this.#first > 0 && this.#first * 4 >= this.#end) {
      this.#entries.copyWithin(0, this.#first * entryWords, this.#end * entryWords);
    } else {
      this.#entries = new Uint32Array((this.size + Math.max(capacityMin, Math.ceil(this.size / 4))) * entryWords);
      this.#entries.set(kept);
    }
    this.#end -= this.#first;
    this.#first = 0;
    this.#reindex();
  }

  #reindex(): void {
    this.#index = undefined;
    if (this.#end < entriesWithoutIndex) return;
    this.#index = new ChainIndex(Math.max(this.#end, this.#entries.length / entryWords));
    for (let entry = this.#first; entry < this.#end; entry++) this.#index.add(this.#entries[entry * entryWords]!, entry);
  }
}

/** Entries with the same low bits of their hash, chained from new to old, as in LZ77: a chain ends at the first entry that is forgotten, so nothing is ever taken out. */
class ChainIndex {
  readonly #newest: Int32Array;
  readonly #older: Int32Array;
  readonly #mask: number;

  constructor(capacity: number) {
    const buckets = 2 ** Math.floor(Math.log2(capacity));
    this.#newest = new Int32Array(buckets).fill(-1);
    this.#older = new Int32Array(capacity);
    this.#mask = buckets - 1;
  }

  get bytes(): number {
    return this.#newest.byteLength + this.#older.byteLength;
  }

  add(idHash: number, entry: number): void {
    const bucket = idHash & this.#mask;
    this.#older[entry] = this.#newest[bucket]!;
    this.#newest[bucket] = entry;
  }

  visit(idHash: number, first: number, look: (entry: number) => void): void {
    for (let entry = this.#newest[idHash & this.#mask]!; entry >= first; entry = this.#older[entry]!) look(entry);
  }
}

/** Seeded with the random name space of the log, so that nobody outside can choose ids that collide and make an actor read its log again and again. */
export function hashOfCommandId(commandId: CommandId, namespace: string): number {
  // As text of one character for each byte: a buffer takes longer to make than the hash.
  const bytes = hash('sha256', namespace + commandId, 'binary');
  const lowBytes = (bytes.charCodeAt(1) << 16) | (bytes.charCodeAt(2) << 8) | bytes.charCodeAt(3);
  return bytes.charCodeAt(0) * 2 ** 24 + lowBytes;
}

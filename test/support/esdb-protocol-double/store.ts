// What the double remembers, in memory: one log of records at byte offsets, and an index of streams over it. Names of files are those of the
// repository EventStore/EventStore, below src/EventStore.Core/.

export interface ProposedEvent {
  readonly id: string;
  readonly type: string;
  readonly contentType: string;
  readonly data: Uint8Array;
  readonly metadata: Uint8Array;
}

export interface StoredEvent extends ProposedEvent {
  readonly stream: string;
  readonly revision: number;
  /** Both the commit and the prepare position. */
  readonly position: number;
}

export type Expected = 'any' | 'no-stream' | 'stream-exists' | number;

export type AppendOutcome =
  | { readonly kind: 'appended'; readonly revision: number; readonly position: number }
  | { readonly kind: 'wrong-expected-version'; readonly current: number };

/** Bytes of a record beside its content: only that positions are not dense matters. */
const recordBytes = 150;

export class Store {
  readonly all: StoredEvent[] = [];
  readonly streams = new Map<string, StoredEvent[]>();
  /** Where the next record begins; the log starts with a record of the server's own. */
  #end = recordBytes;
  readonly #appended = new Set<() => void>();

  // Services/Storage/ReaderIndex/IndexWriter.cs, CheckCommit: the expected version must be the last one; an older one is a success, answered with what
  // stands there, if the very ids of the events stand there.
  append(stream: string, expected: Expected, events: readonly ProposedEvent[]): AppendOutcome {
    const existing = this.streams.get(stream) ?? [];
    const current = existing.length - 1;
    const wanted = expected === 'no-stream' ? -1 : expected;
    if (wanted === 'stream-exists' && current < 0) return { kind: 'wrong-expected-version', current };
    if (typeof wanted === 'number') {
      const there = existing.slice(wanted + 1, wanted + 1 + events.length);
      const same = there.length === events.length && there.every(({ id }, index) => id === events[index]?.id);
      const last = there.at(-1);
      if (wanted < current && same && last) return { kind: 'appended', revision: last.revision, position: last.position };
      if (wanted !== current) return { kind: 'wrong-expected-version', current };
    }
    // Services/Storage/StorageWriterService.cs, WritePrepares: every event of a write is a record of its own, one after the other, all flushed together.
    for (const event of events) {
      const stored: StoredEvent = { ...event, stream, revision: existing.length, position: this.#end };
      this.#end += recordBytes + stream.length + event.data.length + event.metadata.length;
      existing.push(stored);
      this.all.push(stored);
    }
    this.streams.set(stream, existing);
    // Services/RequestManager/Managers/RequestManagerBase.cs, CommitIndexed, and WriteEvents.cs: answered once it is indexed, with the position of the
    // write's last record as both the commit and the prepare position.
    const last = existing.at(-1);
    for (const wake of this.#appended) wake();
    return { kind: 'appended', revision: existing.length - 1, position: last?.position ?? 0 };
  }

  /** Index in `all` of the first event at or after the position. */
  indexAt(position: number): number {
    let [low, high] = [0, this.all.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.all[middle]?.position ?? 0) < position) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  onAppend(wake: () => void): () => void {
    this.#appended.add(wake);
    return () => this.#appended.delete(wake);
  }
}

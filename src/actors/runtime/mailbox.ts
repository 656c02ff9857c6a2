/** What waits for one actor, first in first out and bounded. Empty, it holds nothing: most mailboxes are empty most of the time. */
export class Mailbox<T extends object> {
  #waiting: T[] | undefined;
  #next = 0;

  /** The one that is taken next. */
  get next(): T | undefined {
    return this.#waiting?.[this.#next];
  }

  get size(): number {
    return this.#waiting === undefined ? 0 : this.#waiting.length - this.#next;
  }

  /** False when there is no room. */
  offer(item: T, sizeMax: number): boolean {
    if (this.size >= sizeMax) return false;
    (this.#waiting ??= []).push(item);
    return true;
  }

  take(): T | undefined {
    const item = this.#waiting?.[this.#next++];
    // Taken items are let go together: at the end, or when they are more than those that still wait.
    if (this.size === 0) {
      this.#waiting = undefined;
      this.#next = 0;
    } else if (this.#next > 32 && this.#next > this.size) {
      this.#waiting = this.#waiting!.slice(this.#next);
      this.#next = 0;
    }
    return item;
  }
}

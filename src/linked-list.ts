// What comes and goes with every command, such as the callbacks of whoever waits. A `Set` would do the same, but V8 gives one that is filled and emptied a
// new table each time the old one is full of holes, and the old one points to the new one, for the sake of iterators. Once a table has become old enough to be
// left alone by the small collections, its dead body keeps alive the next one, and so all the later ones and what passes through them, until a full
// collection. Here whoever leaves takes its links along.

/** A place in a list. */
export interface Link<T> {
  value: T | undefined;
  before: Link<T> | undefined;
  after: Link<T> | undefined;
}

/** In the order in which they were added. */
export class LinkedList<T> {
  #first: Link<T> | undefined;
  #last: Link<T> | undefined;

  get isEmpty(): boolean {
    return this.#first === undefined;
  }

  add(value: T): Link<T> {
    const link: Link<T> = { value, before: this.#last, after: undefined };
    if (this.#last === undefined) this.#first = link;
    else this.#last.after = link;
    this.#last = link;
    return link;
  }

  /** Does nothing when it has left before. */
  remove(link: Link<T>): void {
    const { before, after } = link;
    if (before === undefined && this.#first !== link) return;
    if (before === undefined) this.#first = after;
    else before.after = after;
    if (after === undefined) this.#last = before;
    else after.before = before;
    link.value = link.before = link.after = undefined;
  }

  /** Takes them out one by one: what leaves meanwhile does not come, and what is added does. */
  *drain(): Generator<T> {
    while (this.#first !== undefined) yield this.take()!;
  }

  /** Removes the first one; undefined when there is none. */
  take(): T | undefined {
    const first = this.#first;
    if (first === undefined) return undefined;
    const { value } = first;
    this.remove(first);
    return value;
  }
}

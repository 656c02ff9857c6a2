/** Work that is under way: counted, since a set of promises would be filled and emptied all the time (see linked-list.ts). */
export interface UnderWay {
  readonly count: number;
  /** Returns the work itself. */
  add<W extends Promise<unknown>>(work: W): W;
  /** Resolves once nothing is under way, however it ended; what begins meanwhile is waited for as well. */
  ended(): Promise<void>;
}

export function createUnderWay(): UnderWay {
  let count = 0;
  let waiting: (() => void)[] = [];

  const end = () => {
    count -= 1;
    if (count > 0) return;
    const told = waiting;
    waiting = [];
    for (const tell of told) tell();
  };

  return {
    get count() {
      return count;
    },
    add(work) {
      count += 1;
      work.then(end, end);
      return work;
    },
    ended: () =>
      new Promise((resolve) => {
        if (count === 0) resolve();
        else waiting.push(resolve);
      }),
  };
}

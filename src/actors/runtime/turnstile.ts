/** Lets at most so many through at the same time; the others wait in the order in which they came. */
export function createTurnstile(atOnceMax: number) {
  const waiting: (() => void)[] = [];
  let inside = 0;

  return async function through<T>(work: () => Promise<T>): Promise<T> {
    if (inside < atOnceMax) inside++;
    // Whoever leaves hands over the place, so that nobody slips in between.
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else inside--;
    }
  };
}

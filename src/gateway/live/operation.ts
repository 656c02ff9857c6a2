/**
 * A subscription as graphql-ws sees it: an iteration that gives nothing, since its messages go straight to the socket, and ends when the subscription
 * does. So the protocol (ids, complete, errors, closing) stays with the library, and a delivery costs no promise.
 */
export class PendingOperation implements AsyncGenerator<never, undefined> {
  readonly #onReturn: () => void;
  readonly #over: Promise<IteratorResult<never, undefined>>;
  #settle!: { resolve: (result: IteratorResult<never, undefined>) => void; reject: (error: Error) => void };

  constructor(onReturn: () => void) {
    this.#onReturn = onReturn;
    this.#over = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    // Whoever iterates hears of a failure; when nobody does, nobody needs to.
    this.#over.catch(() => undefined);
  }

  complete(): void {
    this.#settle.resolve({ value: undefined, done: true });
  }

  fail(error: Error): void {
    this.#settle.reject(error);
  }

  next(): Promise<IteratorResult<never, undefined>> {
    return this.#over;
  }

  async return(): Promise<IteratorResult<never, undefined>> {
    this.complete();
    this.#onReturn();
    return { value: undefined, done: true };
  }

  async throw(error: Error): Promise<IteratorResult<never, undefined>> {
    this.fail(error);
    this.#onReturn();
    throw error;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }
}

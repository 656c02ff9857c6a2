/** What a `next` message says, serialised once for all whom it goes to. */
export class Payload {
  /** With the brace that closes the message. */
  readonly #bytes: Buffer;
  #prefix: Buffer | undefined;
  #frame: Buffer | undefined;

  constructor(json: string) {
    this.#bytes = Buffer.from(`${json}}`);
  }

  /** The whole message. Clients often count their operations, so that the message of one is, byte for byte, the message of the next. */
  frameFor(prefix: Buffer): Buffer {
    if (this.#frame === undefined || !this.#prefix?.equals(prefix)) {
      this.#frame = Buffer.concat([prefix, this.#bytes]);
      this.#prefix = prefix;
    }
    return this.#frame;
  }
}

import type { NatsConnection } from 'nats';

/** What is taken: strings and a view of the bytes as they came, without the headers. It must not throw. */
export type Taker = (subject: string, reply: string, data: Buffer) => void;

/** For subscriptions to which a hundred thousand messages come a second. */
export interface Shortcut {
  /**
   * Messages with a reply subject go to `take` instead of the callback of the subscription with this id, in the order in which they came. What has none
   * (what the server says about the subscription) goes to the callback, and so does everything should the client of NATS ever be made otherwise inside.
   */
  take(subscription: number, take: Taker): () => void;
}

interface Parser {
  /** 0 between two messages. */
  readonly state?: number;
  parse(bytes: Uint8Array): void;
}

/**
 * The client's parser goes byte by byte through subjects, and makes seven objects of each message: with ours a message costs 0.9 instead of 2.5 µs. It
 * cannot be exchanged, so ours stands before it: it takes out what somebody wants to have directly, and passes on all the rest.
 */
export function createShortcut(connection: NatsConnection): Shortcut {
  const takers = new Map<number, Taker>();
  const inside = (connection as { protocol?: { parser?: Parser } }).protocol;
  if (inside?.parser) {
    let parser = inside.parser.state === 0 ? parserBefore(inside.parser, takers) : inside.parser;
    // The client makes a new one for each connection to a server.
    Object.defineProperty(inside, 'parser', {
      get: () => parser,
      set(made: Parser) {
        parser = parserBefore(made, takers);
      },
    });
  }
  return {
    take(subscription, take) {
      takers.set(subscription, take);
      return () => takers.delete(subscription);
    },
  };
}

const [lineFeed, letterH, letterM] = [10, 72, 77];
const lineEndBytes = 2;

/** Lines of the protocol, and behind the line of a message its headers and data: `[H]MSG subject subscription [reply] [header bytes] bytes`. */
export function parserBefore(next: Parser, takers: ReadonlyMap<number, Taker>): Parser {
  /** The beginning of a message that has not come as a whole. */
  let held: Uint8Array[] = [];
  let heldBytes = 0;
  let neededBytes = 0;

  function parse(frame: Uint8Array): void {
    held.push(frame);
    heldBytes += frame.length;
    if (heldBytes < neededBytes) return;
    const bytes = Buffer.isBuffer(frame) && held.length === 1 ? frame : Buffer.concat(held);
    /** Before here everything was taken or passed on. */
    let done = 0;
    let at = 0;
    const passOn = () => {
      if (at > done) next.parse(bytes.subarray(done, at));
    };
    for (;;) {
      const lineEnd = bytes.indexOf(lineFeed, at) + 1;
      neededBytes = bytes.length - at + 1;
      if (lineEnd === 0) break;
      const withHeaders = bytes[at] === letterH;
      const isMessage = withHeaders || bytes[at] === letterM;
      const words = isMessage ? bytes.toString('latin1', at, lineEnd - lineEndBytes).split(' ') : [];
      const dataBytes = Number(words.at(-1));
      if (Number.isNaN(dataBytes)) {
        at = lineEnd;
        continue;
      }
      const end = lineEnd + dataBytes + lineEndBytes;
      neededBytes = end - at;
      if (end > bytes.length) break;
      const take = words.length === (withHeaders ? 6 : 5) ? takers.get(Number(words[2])) : undefined;
      if (take) {
        passOn();
        take(words[1]!, words[3]!, bytes.subarray(lineEnd + (withHeaders ? Number(words[4]) : 0), end - lineEndBytes));
        done = end;
      }
      at = end;
    }
    passOn();
    held = at < bytes.length ? [bytes.subarray(at)] : [];
    heldBytes = bytes.length - at;
  }
  return { parse };
}

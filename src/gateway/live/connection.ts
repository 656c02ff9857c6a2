import type { Duplex } from 'node:stream';
import { limits } from '../../limits.ts';
import type { SignedIn } from '../sessions.ts';
import type { Outbox } from './outbox.ts';

/** What is used of a WebSocket. */
export interface PushSocket {
  readonly readyState: number;
  send(data: Buffer | string, options: { binary: boolean; compress: boolean }): void;
  close(code: number, reason: string): void;
  terminate(): void;
}

const open = 1;
const textFrame = { binary: false, compress: false };

/** Try again later (RFC 6455's registry): clients reconnect after it, and resume from their last cursor. */
export const tryAgainCode = 1013;

/** An operation that is being begun. */
export interface Beginning {
  readonly id: string;
  /** The client has completed it, and taken its id for another one. */
  replaced: boolean;
}

/** One client's socket. `stream` is the connection below it, whose buffer is all that waits for the client. */
export class Connection {
  readonly socket: PushSocket;
  readonly address: string;
  session: SignedIn | null = null;
  /** Stops listening for the end of the session. */
  forgetSession: () => void = () => undefined;
  /** Of the message that is being read. */
  messageBytes = 0;
  /** Operations that have no answer and no stream yet, also those that the client has completed: see `operations.ts`. */
  readonly beginning = new Set<Beginning>();
  readonly #stream: Duplex;
  readonly #outbox: Outbox;
  readonly #onTooSlow: () => void;
  #drained: Promise<void> | undefined;

  constructor(options: { socket: PushSocket; stream: Duplex; address: string; outbox: Outbox; onTooSlow: () => void }) {
    this.socket = options.socket;
    this.#stream = options.stream;
    this.address = options.address;
    this.#outbox = options.outbox;
    this.#onTooSlow = options.onTooSlow;
  }

  get isOpen(): boolean {
    return this.socket.readyState === open;
  }

  /** Nothing waits for it, and nothing is promised: what the client does not read is bounded by whoever asks for `room`. */
  write(frame: Buffer | string): void {
    if (!this.isOpen) return;
    this.#outbox.hold(this.#stream);
    this.socket.send(frame, textFrame);
  }

  /** For answers, which have no line to wait in. */
  writeOrGiveUp(frame: string | undefined): void {
    if (frame !== undefined) this.write(frame);
    if (this.#stream.writableLength > limits.subscriberBufferBytesMax) this.giveUp();
  }

  /** Long before the buffer is full, so that a burst of large posts waits in line and costs nobody healthy the connection. */
  room(): Promise<void> | undefined {
    if (this.#stream.writableLength <= limits.subscriberBufferBytesMax / 4) return undefined;
    return (this.#drained ??= new Promise((resolve) => {
      const done = () => {
        this.#stream.off('drain', done);
        this.#stream.off('close', done);
        this.#drained = undefined;
        resolve();
      };
      this.#stream.on('drain', done);
      this.#stream.on('close', done);
    }));
  }

  giveUp(): void {
    if (!this.isOpen) return;
    this.#onTooSlow();
    this.socket.close(tryAgainCode, 'CONSUMER_TOO_SLOW');
  }
}

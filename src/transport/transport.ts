/** What travels: JSON, with a type and the version of its format, so that a node can refuse what it does not understand. */
export interface Message {
  readonly type: string;
  /** Version of the format of `body`, from 1. */
  readonly format: number;
  readonly body: unknown;
}

/** Ends what was begun: resolves when handlers that run have finished and no new one starts. */
export type Stop = () => Promise<void>;

/** How nodes talk. Delivery is at most once: whoever needs more repeats, and makes repeating harmless. */
export interface Transport {
  /** `local` or `nats`, as `cluster.transport` shows it. */
  readonly name: string;
  /**
   * Sends to one responder of the subject and awaits its reply.
   * @throws {NoResponders} at once when nobody serves the subject, or when no connection came back to send it over: certainly not handled.
   * @throws {RequestTimeout} after `timeoutMs`, or as soon as the connection is lost meanwhile: it may have been handled.
   * @throws {TransportClosed} when the connection is closed or lost for good.
   * @throws {MessageTooLarge} when the wire does not take it: never sent.
   */
  request(subject: string, message: Message, options: { timeoutMs: number }): Promise<Message>;
  /** Serves a subject (`*` stands for one token); of all responders with one `queue` name, one gets each request. A handler that throws leaves the caller to its time-out. */
  respond(subject: string, queue: string, handler: (message: Message, subject: string) => Promise<Message>): Promise<Stop>;
  /** To every subscriber there is now; none is fine. */
  publish(subject: string, message: Message): void;
  subscribe(subject: string, handler: (message: Message, subject: string) => void): Promise<Stop>;
  /** Is the connection up at this moment? */
  connected(): boolean;
  /** How often it was lost so far: what this node was asked then gets no answer any more. */
  losses(): number;
  /** Drains: replies that are on their way still go out. */
  close(): Promise<void>;
}

export class NoResponders extends Error {
  readonly code = 'NO_RESPONDERS';
  override readonly name = 'NoResponders';
}

export class RequestTimeout extends Error {
  readonly code = 'REQUEST_TIMEOUT';
  override readonly name = 'RequestTimeout';
}

export class TransportClosed extends Error {
  readonly code = 'TRANSPORT_CLOSED';
  override readonly name = 'TransportClosed';
}

export class MessageTooLarge extends Error {
  readonly code = 'MESSAGE_TOO_LARGE';
  override readonly name = 'MessageTooLarge';
}

/** No connection could be made at the start. The message says where to, why not, and what to do; it holds no credentials. */
export class TransportUnreachable extends Error {
  readonly code = 'TRANSPORT_UNREACHABLE';
  override readonly name = 'TransportUnreachable';
}

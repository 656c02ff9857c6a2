import { createClient } from 'graphql-ws';
import type { ExecutionResult } from 'graphql';
import { onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { eventually } from './wait-for.ts';

/** What a subscriber has been pushed so far, in order. */
export interface LiveEntries<Entry> {
  readonly entries: readonly Entry[];
  /** How the connection was closed, once it is. */
  readonly closed: { readonly code: number; readonly reason: string } | undefined;
  /** The error that ended the subscription, if one did. */
  readonly failure: unknown;
  /** The connection stands and the subscription was sent. */
  readonly connected: Promise<void>;
  stop(): Promise<void>;
}

/** Subscribes as any client of `graphql-transport-ws` would, with the real `graphql-ws`; ends with the running test. `field`: whose values are kept. */
export function subscribeLive<Entry>(
  url: string,
  field: string,
  operation: { query: string; variables?: Record<string, unknown> },
  token?: string,
): LiveEntries<Entry> {
  const entries: Entry[] = [];
  let closed: LiveEntries<Entry>['closed'];
  let failure: unknown;
  const client = createClient({
    url,
    webSocketImpl: WebSocket,
    retryAttempts: 0,
    lazy: false,
    onNonLazyError: (cause) => (failure ??= cause),
    ...(token !== undefined && { connectionParams: { authorization: `Bearer ${token}` } }),
    on: {
      closed: (event) => {
        const { code, reason } = event as { code: number; reason: string };
        closed = { code, reason };
      },
    },
  });
  const connected = new Promise<void>((resolve) => void client.on('connected', () => resolve()));
  client.subscribe<Record<string, Entry>>(operation, {
    next: ({ data, errors }: ExecutionResult<Record<string, Entry>>) => {
      if (errors) failure ??= errors;
      else if (data) entries.push(data[field]!);
    },
    error: (cause) => (failure ??= cause),
    complete: () => undefined,
  });
  const stop = async () => {
    await client.dispose();
    await eventually(() => closed, 'the socket is closed');
  };
  onTestFinished(async () => void (await client.dispose()));
  return {
    entries,
    get closed() {
      return closed;
    },
    get failure() {
      return failure;
    },
    connected,
    stop,
  };
}

import { connect } from 'nats';
import type { NatsConnection } from 'nats';
import { serveCalls } from './calls.ts';

// What a bare round trip over NATS needs at its other end: a process that answers at once with what it got.

let connection: NatsConnection | undefined;

const handlers = {
  async serve({ servers, subject }: { servers: readonly string[]; subject: string }): Promise<void> {
    connection = await connect({ servers: [...servers] });
    connection.subscribe(subject, { callback: (_, message) => void message.respond(message.data) });
    await connection.flush();
  },
};
export type EchoCalls = typeof handlers;

serveCalls(handlers, async () => connection?.close());

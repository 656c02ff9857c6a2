import type { GraphQLFormattedError } from 'graphql';
import { GraphQLError } from 'graphql';
import type { Connection } from './connection.ts';
import type { ExecutionGroup } from './executions.ts';
import type { Sink } from './live-stream.ts';
import type { PendingOperation } from './operation.ts';
import type { Payload } from './payload.ts';
import type { Pushed } from './pushed.ts';

export interface SocketSinkOptions {
  readonly connection: Connection;
  /** The client's id of the operation. */
  readonly id: string;
  readonly group: ExecutionGroup;
  readonly operation: PendingOperation;
  readonly onPushed: () => void;
  readonly maskError: (error: unknown) => GraphQLFormattedError;
}

/** Writes the `next` messages of graphql-transport-ws: the shared payload behind the client's own id. */
export function createSocketSink(options: SocketSinkOptions): Sink<Pushed> {
  const { connection, group, operation, onPushed } = options;
  const prefix = Buffer.from(`{"id":${JSON.stringify(options.id)},"type":"next","payload":`);
  const write = (payload: Payload): void => {
    connection.write(payload.frameFor(prefix));
    onPushed();
  };

  return {
    deliver(item) {
      const payload = group.payloadOf(item);
      if (payload instanceof Promise) return payload.then(write);
      write(payload);
      return undefined;
    },
    room: () => connection.room(),
    ended(error) {
      group.leave();
      if (error === undefined) return operation.complete();
      if (!isTooSlow(error)) return operation.fail(error);
      // Told at once and not by way of the library: the socket closes behind it.
      connection.write(JSON.stringify({ id: options.id, type: 'error', payload: [options.maskError(error)] }));
      operation.complete();
      connection.giveUp();
    },
  };
}

function isTooSlow(error: Error): boolean {
  return error instanceof GraphQLError && error.extensions['code'] === 'CONSUMER_TOO_SLOW';
}

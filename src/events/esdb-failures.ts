import {
  AccessDeniedError,
  MaxAppendSizeExceededError,
  NotLeaderError,
  StreamDeletedError,
  WrongExpectedVersionError,
} from '@eventstore/db-client';
import { limits } from '../limits.ts';
import { AppendOutcomeUnknown, LogCorrupt, LogUnavailable, WrongExpectedVersion } from './event-log.ts';
import type { StreamName } from './ids.ts';

/** What the port says of an append that failed. */
export function appendFailure(error: unknown, stream: StreamName): Error {
  if (error instanceof WrongExpectedVersionError) return new WrongExpectedVersion(stream, { cause: error });
  if (error instanceof AppendOutcomeUnknown || error instanceof LogUnavailable) return error;
  const refused = refusalOf(error);
  if (refused !== undefined) return refused;
  return new AppendOutcomeUnknown(`the connection to EventStoreDB failed while it was asked to append: ${messageOf(error)}`, {
    cause: error,
  });
}

/** What the port says of a read, or a subscription, that failed. */
export function readFailure(error: unknown): Error {
  if (error instanceof LogUnavailable || error instanceof LogCorrupt) return error;
  return refusalOf(error) ?? new LogUnavailable(`the connection to EventStoreDB failed: ${messageOf(error)}`, { cause: error });
}

/** For answers by which the server, or the lack of one, says that it did nothing. The texts without a class of their own are in the server's RpcExceptions.cs. */
function refusalOf(error: unknown): LogUnavailable | LogCorrupt | undefined {
  const message = messageOf(error);
  const unavailable = (text: string) => new LogUnavailable(text, { cause: error });
  if (error instanceof StreamDeletedError) return new LogCorrupt(`${error.streamName}: was deleted in EventStoreDB`, { cause: error });
  if (error instanceof NotLeaderError) {
    const { address, port } = error.leader;
    return unavailable(
      `this node of EventStoreDB is not the leader, that is ${address}:${port}: name all nodes in the URL, as in esdb://a:2113,b:2113,c:2113`,
    );
  }
  if (message.includes('No leader info available')) {
    return unavailable(
      'this EventStoreDB is read-only and knows no leader: start the other nodes of its cluster, or name a node that is no read-only replica',
    );
  }
  if (error instanceof AccessDeniedError) {
    return unavailable('EventStoreDB refuses this user: let it read $all, and read and write the streams of Starling');
  }
  if (error instanceof MaxAppendSizeExceededError) {
    return unavailable(
      `EventStoreDB takes appends of ${error.maxAppendSize} bytes only: set its MaxAppendSize to ${2 * limits.commitBytesMax} or more`,
    );
  }
  if (/Server Is (?:Not Ready|Too Busy|Busy)/.test(message)) return unavailable('EventStoreDB is not ready yet, or too busy');
  // A raw error of the transport, code 14: nobody listens, or the client is just making its connection anew, so nothing was sent. Any other of that code may have broken off a call that was under way.
  if (/No connection established|Name resolution failed|Failed to discover|Channel closed before call started/.test(message)) {
    return unavailable('EventStoreDB cannot be reached: is it running, and is the URL right?');
  }
  return undefined;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

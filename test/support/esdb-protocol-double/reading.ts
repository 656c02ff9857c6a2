import type { ServerWritableStream } from '@grpc/grpc-js';
import type { ReadReq, ReadResp } from '@eventstore/db-client/generated/streams_pb.js';
import { streams } from './generated.ts';
import { eventResponse, identifierOf, nameOf } from './messages.ts';
import type { Store, StoredEvent } from './store.ts';

type ReadCall = ServerWritableStream<ReadReq, ReadResp>;

export interface ReadingOptions {
  /** Servers before 22.6 leave it out when a stream is read. */
  readonly positionsInStreams: boolean;
  /** True while a subscription is to be kept silent, its connection alive. */
  silent(): boolean;
}

// Services/Transport/Grpc/Enumerators.cs: events considered per page; the window of a filter unless it names one.
const pageSize = 32;

/** Services/Transport/Grpc/Streams.Read.cs: one call for reads and subscriptions, of a stream and of everything. */
export async function answerRead(call: ReadCall, store: Store, options: ReadingOptions): Promise<void> {
  const request = call.request.getOptions();
  if (request === undefined) throw new Error('a read has options');
  if (request.hasSubscription()) return subscribeToAll(call, request, store, options);
  const backwards = request.getReadDirection() === streams.ReadReq.Options.ReadDirection.BACKWARDS;
  const stream = request.getStream();
  const events = stream ? eventsOfStream(stream, store, backwards) : eventsOfAll(request, store, backwards);
  if (events === undefined) {
    // Services/Transport/Enumerators/Enumerator.ReadStreamForwards.cs: a message of its own, then the end.
    const missing = new streams.ReadResp.StreamNotFound().setStreamIdentifier(identifierOf(nameOf(stream?.getStreamIdentifier())));
    call.write(new streams.ReadResp().setStreamNotFound(missing));
  } else {
    let left = Number(request.getCount());
    for (const event of events) {
      if (left <= 0 || call.cancelled) break;
      left -= 1;
      await written(call, eventResponse(event, stream === undefined || options.positionsInStreams));
    }
  }
  call.end();
}

function eventsOfStream(stream: ReadReq.Options.StreamOptions, store: Store, backwards: boolean): StoredEvent[] | undefined {
  const events = store.streams.get(nameOf(stream.getStreamIdentifier()));
  if (events === undefined) return undefined;
  if (backwards) return events.slice(0, stream.hasRevision() ? Number(stream.getRevision()) + 1 : undefined).toReversed();
  // A read starts at the revision.
  return stream.hasEnd() ? [] : events.slice(stream.hasRevision() ? Number(stream.getRevision()) : 0);
}

// Services/Storage/ReaderIndex/AllReader.cs: forwards from the position on, it included; backwards what stands before it.
function eventsOfAll(request: ReadReq.Options, store: Store, backwards: boolean): StoredEvent[] {
  const from = request.getAll();
  const at = from?.hasPosition() ? store.indexAt(Number(from.getPosition()?.getCommitPosition())) : undefined;
  if (backwards) return store.all.slice(0, at ?? (from?.hasStart() ? 0 : undefined)).toReversed();
  return store.all.slice(at ?? (from?.hasEnd() ? store.all.length : 0));
}

// Services/Transport/Enumerators/Enumerator.AllSubscriptionFiltered.cs: after the position, never at it; a confirmation first, checkpoints while
// searching and when the end is reached, then a message that it has caught up, then live ones.
async function subscribeToAll(call: ReadCall, request: ReadReq.Options, store: Store, options: ReadingOptions): Promise<void> {
  const from = request.getAll();
  const filter = request.getFilter();
  const prefixes = filter?.getStreamIdentifier()?.getPrefixList() ?? [];
  const checkpointEvery = Math.max(1, filter?.getCheckpointintervalmultiplier() ?? 1) * (filter?.getMax() || pageSize);
  let next = from?.hasPosition() ? store.indexAt(Number(from.getPosition()?.getCommitPosition()) + 1) : 0;
  let considered = 0;
  let caughtUp = false;
  call.write(new streams.ReadResp().setConfirmation(new streams.ReadResp.SubscriptionConfirmation().setSubscriptionId('a subscription')));
  let wake = () => {};
  const stopListening = store.onAppend(() => wake());
  call.on('cancelled', () => wake());
  while (!call.cancelled) {
    const event = options.silent() ? undefined : store.all[next];
    if (event === undefined) {
      if (!caughtUp) {
        await checkpoint(call, store.all[next - 1]);
        await written(call, new streams.ReadResp().setCaughtUp(new streams.ReadResp.CaughtUp()));
        caughtUp = true;
        continue;
      }
      await new Promise<void>((resolve) => {
        wake = resolve;
        if (call.cancelled) resolve();
      });
      continue;
    }
    next += 1;
    considered += 1;
    if (prefixes.length === 0 || prefixes.some((prefix) => event.stream.startsWith(prefix)))
      await written(call, eventResponse(event, true));
    if (considered % checkpointEvery === 0) await checkpoint(call, event);
  }
  stopListening();
}

async function checkpoint(call: ReadCall, event: StoredEvent | undefined): Promise<void> {
  if (event === undefined) return;
  const reached = new streams.ReadResp.Checkpoint().setCommitPosition(String(event.position)).setPreparePosition(String(event.position));
  await written(call, new streams.ReadResp().setCheckpoint(reached));
}

/** Waits until the client takes more: the server's channel is bounded as well. */
async function written(call: ReadCall, response: ReadResp): Promise<void> {
  if (call.cancelled || call.write(response)) return;
  await new Promise<void>((resolve) => {
    const goOn = () => {
      call.off('drain', goOn);
      call.off('cancelled', goOn);
      resolve();
    };
    call.on('drain', goOn);
    call.on('cancelled', goOn);
  });
}

import type { Metadata } from '@grpc/grpc-js';
import { grpc, shared, streams } from './generated.ts';
import type { AppendOutcome, Expected, ProposedEvent, StoredEvent } from './store.ts';

const { AppendReq, AppendResp, ReadResp } = streams;

export type AppendHeader = { readonly stream: string; readonly expected: Expected };

export function appendHeader(request: InstanceType<typeof AppendReq>): AppendHeader {
  const options = request.getOptions();
  if (options === undefined) throw new Error('the first message of an append holds its options');
  const expected: Expected = options.hasRevision()
    ? Number(options.getRevision())
    : options.hasNoStream()
      ? 'no-stream'
      : options.hasStreamExists()
        ? 'stream-exists'
        : 'any';
  return { stream: nameOf(options.getStreamIdentifier()), expected };
}

export function nameOf(identifier: InstanceType<typeof shared.StreamIdentifier> | undefined): string {
  return Buffer.from(identifier?.getStreamName_asU8() ?? []).toString();
}

export function proposedEvent(request: InstanceType<typeof AppendReq>): ProposedEvent {
  const message = request.getProposedMessage();
  if (message === undefined) throw new Error('an append goes on with proposed messages');
  return {
    id: message.getId()?.getString() ?? '',
    type: message.getMetadataMap().get('type') ?? '',
    contentType: message.getMetadataMap().get('content-type') ?? '',
    data: message.getData_asU8(),
    metadata: message.getCustomMetadata_asU8(),
  };
}

// Services/Transport/Grpc/Streams.Append.cs: a wrong expected version is an answer, not an error.
export function appendResponse(outcome: AppendOutcome, expected: Expected): InstanceType<typeof AppendResp> {
  const response = new AppendResp();
  if (outcome.kind === 'appended') {
    const position = new AppendResp.Position();
    position.setCommitPosition(String(outcome.position)).setPreparePosition(String(outcome.position));
    const success = new AppendResp.Success();
    return response.setSuccess(success.setCurrentRevision(String(outcome.revision)).setPosition(position));
  }
  const wrong = new AppendResp.WrongExpectedVersion();
  if (outcome.current < 0) wrong.setCurrentNoStream(new shared.Empty());
  else wrong.setCurrentRevision(String(outcome.current));
  if (typeof expected === 'number') wrong.setExpectedRevision(String(expected));
  else wrong.setExpectedNoStream(new shared.Empty());
  return response.setWrongExpectedVersion(wrong);
}

const noPosition = '18446744073709551615';

// Services/Transport/Grpc/Enumerators.cs, ConvertToRecordedEvent. `positioned`: since 22.6 (Data/ResolvedEvent.cs) the events of a stream carry their
// position as well, before it the largest number stood there.
export function eventResponse(event: StoredEvent, positioned: boolean): InstanceType<typeof ReadResp> {
  const position = positioned ? String(event.position) : noPosition;
  const recorded = new ReadResp.ReadEvent.RecordedEvent();
  recorded.setId(new shared.UUID().setString(event.id));
  recorded.setStreamIdentifier(identifierOf(event.stream));
  recorded.setStreamRevision(String(event.revision)).setCommitPosition(position).setPreparePosition(position);
  recorded.getMetadataMap().set('type', event.type).set('content-type', event.contentType).set('created', '17637000000000000');
  recorded.setData(event.data).setCustomMetadata(event.metadata);
  const read = new ReadResp.ReadEvent().setEvent(recorded);
  if (positioned) read.setCommitPosition(position);
  else read.setNoPosition(new shared.Empty());
  return new ReadResp().setEvent(read);
}

export function identifierOf(stream: string): InstanceType<typeof shared.StreamIdentifier> {
  return new shared.StreamIdentifier().setStreamName(Buffer.from(stream).toString('base64'));
}

// Services/Transport/Grpc/RpcExceptions.cs for the codes and texts, Constants.cs for the keys.
export const refusals = {
  notLeader: (host: string, port: number) =>
    refusal(grpc.status.NOT_FOUND, 'Leader info available', {
      exception: 'not-leader',
      'leader-endpoint-host': host,
      'leader-endpoint-port': String(port),
    }),
  noLeader: () => refusal(grpc.status.UNKNOWN, 'No leader info available in response'),
  notReady: () => refusal(grpc.status.UNAVAILABLE, 'Server Is Not Ready'),
  tooBusy: () => refusal(grpc.status.UNAVAILABLE, 'Server Is Too Busy'),
  accessDenied: () => refusal(grpc.status.PERMISSION_DENIED, 'Access Denied', { exception: 'access-denied' }),
  timedOut: () => refusal(grpc.status.ABORTED, 'Operation timed out: Commit phase timeout.'),
  tooLarge: (bytes: number) =>
    refusal(grpc.status.INVALID_ARGUMENT, `Maximum Append Size of ${bytes} Exceeded.`, {
      exception: 'maximum-append-size-exceeded',
      'maximum-append-size': String(bytes),
    }),
  wrongExpectedVersion: (stream: string, expected: number, actual: number) =>
    refusal(grpc.status.FAILED_PRECONDITION, 'Append failed due to WrongExpectedVersion.', {
      exception: 'wrong-expected-version',
      'stream-name': stream,
      'expected-version': String(expected),
      'actual-version': String(actual),
    }),
  deleted: (stream: string) =>
    refusal(grpc.status.FAILED_PRECONDITION, `Event stream '${stream}' is deleted.`, {
      exception: 'stream-deleted',
      'stream-name': stream,
    }),
};

export type Refusal = Error & { readonly code: number; readonly details: string; readonly metadata: Metadata };

function refusal(code: number, details: string, trailers: Readonly<Record<string, string>> = {}): Refusal {
  const metadata = new grpc.Metadata();
  for (const [key, value] of Object.entries(trailers)) metadata.set(key, value);
  return Object.assign(new Error(details), { code, details, metadata });
}

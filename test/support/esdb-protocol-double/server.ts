import type { ServerDuplexStream, ServerReadableStream, ServerUnaryCall, ServerWritableStream, sendUnaryData } from '@grpc/grpc-js';
import type { ClusterInfo } from '@eventstore/db-client/generated/gossip_pb.js';
import type { SupportedMethods } from '@eventstore/db-client/generated/serverfeatures_pb.js';
import type { Empty } from '@eventstore/db-client/generated/shared_pb.js';
import type { AppendReq, AppendResp, ReadReq, ReadResp } from '@eventstore/db-client/generated/streams_pb.js';
import { features, gossip, GossipService, grpc, ServerFeaturesService, StreamsService } from './generated.ts';
import { appendHeader, appendResponse, proposedEvent, refusals } from './messages.ts';
import type { Refusal } from './messages.ts';
import { answerRead } from './reading.ts';
import { Store } from './store.ts';
import type { ProposedEvent } from './store.ts';

/** What happens to an append that is complete: `lost`, neither written nor answered; `unanswered`, written; `late`, written at `release`; `broken-off`, written, then every connection breaks. */
export type AppendFault = 'lost' | 'unanswered' | 'late' | 'broken-off' | 'no-position' | 'begun-anew' | 'older-refusal' | Refusal;

export interface EsdbDouble {
  readonly url: string;
  readonly port: number;
  readonly store: Store;
  /** Counted since the start. */
  readonly calls: { appends: number; batchAppends: number; reads: number; subscriptions: number; features: number };
  /** Reads and subscriptions that the server has open now. */
  readonly openReads: number;
  /** Taken by the next append, in order; `always` by every one. */
  readonly appendFaults: AppendFault[];
  always: AppendFault | undefined;
  /** Every read is refused with it. */
  readFault: Refusal | 'unanswered' | undefined;
  silentSubscriptions: boolean;
  offersBatchAppend: boolean;
  positionsInStreams: boolean;
  /** Answers every call that asks for the leader, which is what our adapter does. */
  refusesLeaderCalls: Refusal | undefined;
  /** Where the leader is, for who asks by gossip; itself by default. */
  leader: { readonly host: string; readonly port: number } | undefined;
  /** Takes questions for the leader and never answers them. */
  silentGossip: boolean;
  /** Lets the appends go on that are `late`. */
  release(): void;
  /** Ends the open subscriptions as if nothing were wrong. */
  endSubscriptions(): void;
  /** Breaks every connection; nothing listens until `restart`. */
  stop(): Promise<void>;
  /** Comes back at the same port with the same events. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

// ClusterNodeOptions.cs, MaxAppendSize: 1 MiB unless configured.
const appendBytesMax = 1024 * 1024;

/** A server that speaks the part of EventStoreDB's protocol which the adapter uses, and stages what a real one cannot be asked for. */
export async function startEsdbDouble(store = new Store()): Promise<EsdbDouble> {
  const openReads = new Set<ServerWritableStream<ReadReq, ReadResp>>();
  let late: (() => void)[] = [];
  let server = newServer();
  const port = await listen(server, 0);

  const double: EsdbDouble = {
    url: `esdb://127.0.0.1:${port}?tls=false`,
    port,
    store,
    calls: { appends: 0, batchAppends: 0, reads: 0, subscriptions: 0, features: 0 },
    get openReads() {
      return openReads.size;
    },
    appendFaults: [],
    always: undefined,
    readFault: undefined,
    silentSubscriptions: false,
    offersBatchAppend: true,
    positionsInStreams: true,
    refusesLeaderCalls: undefined,
    leader: undefined,
    silentGossip: false,
    release() {
      for (const goOn of late.splice(0)) goOn();
    },
    endSubscriptions() {
      for (const call of openReads) if (call.request.getOptions()?.hasSubscription()) call.end();
    },
    async stop() {
      server.forceShutdown();
      late = [];
    },
    async restart() {
      server.forceShutdown();
      server = newServer();
      await listen(server, port);
    },
    close: () => double.stop(),
  };
  return double;

  function newServer() {
    const created = new grpc.Server();
    created.addService(StreamsService, {
      append,
      read: (call: ServerWritableStream<ReadReq, ReadResp>) => void read(call),
      batchAppend,
      delete: unimplemented,
      tombstone: unimplemented,
    });
    created.addService(ServerFeaturesService, { getSupportedMethods });
    created.addService(GossipService, { read: readGossip });
    return created;
  }

  function append(call: ServerReadableStream<AppendReq, AppendResp>, answer: sendUnaryData<AppendResp>): void {
    double.calls.appends += 1;
    let header: ReturnType<typeof appendHeader> | undefined;
    const events: ProposedEvent[] = [];
    // A call whose connection broke off before its end was never complete.
    call.on('error', () => {});
    call.on('data', (request: AppendReq) => {
      if (header === undefined) header = appendHeader(request);
      else events.push(proposedEvent(request));
    });
    call.on('end', () => {
      const complete = header;
      if (complete === undefined || call.cancelled) return;
      const refused = leaderRefusal(call);
      if (refused) return answer(refused);
      // Services/Transport/Grpc/Streams.Append.cs: counted before anything is written.
      const bytes = events.reduce((sum, { type, data, metadata }) => sum + type.length + data.length + metadata.length, 0);
      if (bytes > appendBytesMax) return answer(refusals.tooLarge(appendBytesMax));
      const write = () => appendResponse(store.append(complete.stream, complete.expected, events), complete.expected);
      const fault = double.appendFaults.shift() ?? double.always;
      if (fault === undefined) return answer(null, write());
      if (typeof fault === 'object') return answer(fault);
      stage(fault, write, answer);
    });
  }

  function stage(fault: Exclude<AppendFault, Refusal>, write: () => AppendResp, answer: sendUnaryData<AppendResp>): void {
    switch (fault) {
      case 'lost':
        return;
      case 'unanswered':
        return void write();
      case 'late':
        return void late.push(() => answer(null, write()));
      case 'broken-off':
        write();
        return void double.restart();
      case 'no-position': {
        // Services/Storage/ReaderIndex/IndexWriter.cs: -1 where an idempotent write's event cannot be read.
        const response = write();
        response.getSuccess()?.clearPosition();
        return answer(null, response);
      }
      case 'begun-anew': {
        // Services/Storage/ReaderIndex/IndexWriter.cs, CheckCommit: a stream that was deleted softly takes "no stream" and goes on where it was.
        const response = write();
        response.getSuccess()?.setCurrentRevision('99');
        return answer(null, response);
      }
      case 'older-refusal':
        // Services/Transport/Grpc/RpcExceptions.cs, WrongExpectedVersion: how it was told before 20.10.
        return answer(refusals.wrongExpectedVersion('a stream', 1, 2));
    }
  }

  async function read(call: ServerWritableStream<ReadReq, ReadResp>): Promise<void> {
    double.calls.reads += 1;
    if (call.request.getOptions()?.hasSubscription()) double.calls.subscriptions += 1;
    const refused = leaderRefusal(call) ?? double.readFault;
    if (typeof refused === 'object') return void call.emit('error', refused);
    openReads.add(call);
    call.on('cancelled', () => openReads.delete(call));
    call.on('finish', () => openReads.delete(call));
    if (refused === 'unanswered') return;
    await answerRead(call, store, { positionsInStreams: double.positionsInStreams, silent: () => double.silentSubscriptions });
  }

  // Services/VNode/ClusterVNodeController.cs, HandleAsNonLeader: who asks for the leader is sent there, nothing is written.
  function leaderRefusal(call: { metadata: { get(key: string): unknown[] } }): Refusal | undefined {
    return call.metadata.get('requires-leader')[0] === 'true' ? double.refusesLeaderCalls : undefined;
  }

  function batchAppend(call: ServerDuplexStream<unknown, unknown>): void {
    double.calls.batchAppends += 1;
    call.emit('error', { code: grpc.status.UNIMPLEMENTED, details: 'the double does not speak BatchAppend' });
  }

  // Services/Transport/Grpc/ServerFeatures.cs: the methods that this version has.
  function getSupportedMethods(_: ServerUnaryCall<Empty, SupportedMethods>, answer: sendUnaryData<SupportedMethods>): void {
    double.calls.features += 1;
    const methods = (double.offersBatchAppend ? ['append', 'batchappend', 'read'] : ['append', 'read']).map((name) =>
      new features.SupportedMethod().setServiceName('event_store.client.streams.streams').setMethodName(name),
    );
    answer(null, new features.SupportedMethods().setEventStoreServerVersion('0.0.0').setMethodsList(methods));
  }

  // Services/Transport/Grpc/Gossip.Read.cs: the members with their states, from which the client picks the leader.
  function readGossip(_: ServerUnaryCall<Empty, ClusterInfo>, answer: sendUnaryData<ClusterInfo>): void {
    if (double.silentGossip) return;
    const { host, port: leaderPort } = double.leader ?? { host: '127.0.0.1', port };
    const member = new gossip.MemberInfo().setState(gossip.MemberInfo.VNodeState.LEADER).setIsAlive(true).setTimeStamp('0');
    member.setHttpEndPoint(new gossip.EndPoint().setAddress(host).setPort(leaderPort));
    answer(null, new gossip.ClusterInfo().setMembersList([member]));
  }
}

function unimplemented(_: unknown, answer: sendUnaryData<never>): void {
  answer({ code: grpc.status.UNIMPLEMENTED, details: 'not part of the double' });
}

function listen(server: InstanceType<typeof grpc.Server>, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(`127.0.0.1:${port}`, grpc.ServerCredentials.createInsecure(), (error, bound) => {
      if (error) reject(error);
      else resolve(bound);
    });
  });
}

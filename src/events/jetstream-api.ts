import type { Msg, MsgHdrs } from 'nats';
import { NatsRequestFailed } from '../nats/nats-requests.ts';
import type { NatsRequests } from '../nats/nats-requests.ts';
import { LogUnavailable } from './event-log.ts';

/** What JetStream answers instead of doing it; `errorCode` as the server's errors.json has it. */
export class JetStreamRefused extends Error {
  override readonly name = 'JetStreamRefused';
  readonly errorCode: number;
  constructor(errorCode: number, description: string) {
    super(description);
    this.errorCode = errorCode;
  }
}

/** One message of a stream. */
export interface StoredMessage {
  readonly sequence: number;
  readonly subject: string;
  readonly data: Uint8Array;
  /** When the server got it, where it says so; milliseconds since the epoch. */
  readonly storedAt?: number;
}

export interface StreamInfo {
  readonly config: {
    readonly subjects?: readonly string[];
    readonly num_replicas: number;
    readonly retention: string;
    readonly max_msgs: number;
    readonly max_bytes: number;
    readonly max_age: number;
    readonly max_msgs_per_subject: number;
    readonly allow_direct?: boolean;
    readonly metadata?: Readonly<Record<string, string>>;
  };
  readonly state: { readonly messages: number; readonly first_seq: number; readonly last_seq: number };
  readonly cluster?: {
    readonly leader?: string;
    /** `active`: nanoseconds since the leader has heard from it. */
    readonly replicas?: readonly { readonly name: string; readonly active: number }[];
  };
}

export const notFound = { stream: 10_059, message: 10_037 };

/** The few requests of the JetStream API that the log needs. All @throws {JetStreamRefused} @throws {NatsRequestFailed} */
export type JetStreamApi = ReturnType<typeof createJetStreamApi>;

export function createJetStreamApi(requests: NatsRequests) {
  async function call(name: string, body: object = {}): Promise<unknown> {
    return answerOf(await requests.ask(`$JS.API.${name}`, Buffer.from(JSON.stringify(body))));
  }

  /** What the leader of the stream has; undefined when there is none such. */
  async function get(stream: string, which: object): Promise<StoredMessage | undefined> {
    try {
      const { message } = (await call(`STREAM.MSG.GET.${stream}`, which)) as {
        message: { seq: number; subject: string; data?: string; time: string };
      };
      const { seq: sequence, subject, data = '', time } = message;
      return { sequence, subject, data: Buffer.from(data, 'base64'), storedAt: Date.parse(time) };
    } catch (error) {
      if (error instanceof JetStreamRefused && error.errorCode === notFound.message) return undefined;
      throw error;
    }
  }

  /** What any replica has, which may be behind. */
  async function getAnywhere(stream: string, which: object): Promise<StoredMessage | undefined> {
    const answer = await requests.ask(`$JS.API.DIRECT.GET.${stream}`, Buffer.from(JSON.stringify(which)));
    const sequence = Number(answer.headers?.get('Nats-Sequence'));
    if (!(sequence > 0)) return undefined;
    return { sequence, subject: answer.headers?.get('Nats-Subject') ?? '', data: answer.data };
  }

  return {
    /** Gives the sequence of the message once it is stored. */
    async publish(subject: string, data: Uint8Array, fence: MsgHdrs): Promise<number> {
      return (answerOf(await requests.request(subject, data, fence)) as { seq: number }).seq;
    },
    /** What publishing this would be answered, of a message that must be refused. */
    async refusalOf(subject: string, fence: MsgHdrs): Promise<unknown> {
      try {
        return answerOf(await requests.ask(subject, new Uint8Array(), fence));
      } catch (error) {
        return error;
      }
    },
    streamInfo: async (stream: string) => (await call(`STREAM.INFO.${stream}`)) as StreamInfo,
    createStream: (stream: string, config: object) => call(`STREAM.CREATE.${stream}`, { name: stream, ...config }),
    updateStream: (stream: string, config: object) => call(`STREAM.UPDATE.${stream}`, config),
    /** `leader`: name of the server that will serve it; of one that stands alone there is no word of a cluster. */
    createConsumer: async (stream: string, consumer: string, config: object) =>
      (await call(`CONSUMER.CREATE.${stream}.${consumer}`, { stream_name: stream, config: { name: consumer, ...config } })) as {
        readonly cluster?: { readonly leader?: string };
      },
    deleteConsumer: (stream: string, consumer: string) => call(`CONSUMER.DELETE.${stream}.${consumer}`),
    /** Undefined also where the replica that was asked does not have it yet. */
    messageAnywhere: (stream: string, sequence: number) => getAnywhere(stream, { seq: sequence }),
    /** The first of the subject from this sequence on, with the same reservation. */
    nextMessageAnywhere: (stream: string, subject: string, sequence: number) =>
      getAnywhere(stream, { seq: sequence, next_by_subj: subject }),
    /** Messages never change, so any replica will do unless it does not have this one yet. */
    messageAt: async (stream: string, sequence: number) =>
      (await getAnywhere(stream, { seq: sequence })) ?? (await get(stream, { seq: sequence })),
    /** The first message of the subject from this sequence on. */
    nextMessage: (stream: string, subject: string, sequence: number) => get(stream, { seq: sequence, next_by_subj: subject }),
    lastMessage: (stream: string, subject: string) => get(stream, { last_by_subj: subject }),
  };
}

/** The answer as JSON. @throws {JetStreamRefused} */
function answerOf(message: Msg): unknown {
  const answer = JSON.parse(Buffer.from(message.data).toString()) as { error?: { err_code?: number; description?: string } };
  if (answer.error) throw new JetStreamRefused(answer.error.err_code ?? 0, answer.error.description ?? 'no reason given');
  return answer;
}

/** What goes wrong while looking something up changes nothing. @throws {LogUnavailable} */
export async function asked<T>(looking: Promise<T>): Promise<T> {
  try {
    return await looking;
  } catch (error) {
    throw unavailable(error);
  }
}

/** In the words of the port. */
export function unavailable(error: unknown): unknown {
  if (!(error instanceof NatsRequestFailed || error instanceof JetStreamRefused)) return error;
  return new LogUnavailable(`JetStream cannot be asked: ${error.message}`, { cause: error });
}

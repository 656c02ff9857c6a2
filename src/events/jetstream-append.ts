import { headers } from 'nats';
import type { MsgHdrs } from 'nats';
import { NatsRequestFailed } from '../nats/nats-requests.ts';
import { AppendOutcomeUnknown, LogUnavailable, WrongExpectedVersion } from './event-log.ts';
import type { StreamName } from './ids.ts';
import { JetStreamRefused } from './jetstream-api.ts';
import { aboutSequence } from './jetstream-message.ts';

/** The server takes the message only if the last one of its subject has this sequence, 0 for none. */
export function expectingLast(sequence: number): MsgHdrs {
  const fence = headers();
  fence.set('Nats-Expected-Last-Subject-Sequence', String(sequence));
  return fence;
}

/**
 * What no stream of ours can end with, since the first message of all says which log it is; so what expects it is refused, with the true end. Not a number
 * beyond the end: nats-server 2.10 would not look at that before all replicas have written it down.
 */
export const neverLast = aboutSequence;

const codes = { wrongLast: 10_071, busySubject: 10_164, insufficientResources: 10_023 };
// Said before anything is proposed to the replicas: unavailable, not enabled (for the server, for the account), stream offline, sealed, too large, no such stream.
const refusedBefore: readonly number[] = [10_008, 10_076, 10_039, 10_118, 10_109, 10_054, 10_097, 10_059, 10_060];

/** The last sequence of the subject, if that is what the server objects to; 'busy' while another append to the subject is under way. */
export function lastSequenceIn(error: unknown): number | 'busy' | undefined {
  if (!(error instanceof JetStreamRefused)) return undefined;
  if (error.errorCode === codes.busySubject) return 'busy';
  const last = error.errorCode === codes.wrongLast ? /(\d+)$/.exec(error.message)?.[1] : undefined;
  return last === undefined ? undefined : Number(last);
}

/** What a failed append means. Whatever is not known for certain to have changed nothing is unknown. */
export function appendFailure(error: unknown, stream: StreamName, expected: number, replicas: number): Error {
  if (error instanceof NatsRequestFailed) {
    if (error.certain) return new LogUnavailable(`the append was not taken: ${error.message}`, { cause: error });
    return new AppendOutcomeUnknown(`${stream}: ${error.message}`, { cause: error });
  }
  const last = lastSequenceIn(error);
  if (last === 'busy') return new WrongExpectedVersion(stream, { cause: error });
  if (last !== undefined) {
    // A leader that is deposed and does not know it may be behind what we expect, while the true one took the same message from the same subject.
    if (last < expected) return new AppendOutcomeUnknown(`${stream}: a server that is behind refused the append`, { cause: error });
    return new WrongExpectedVersion(stream, { cause: error });
  }
  if (error instanceof JetStreamRefused) {
    // With replicas, a leader out of space also says so after the others have stored the message.
    const certain = refusedBefore.includes(error.errorCode) || (replicas === 1 && error.errorCode === codes.insufficientResources);
    if (certain) return new LogUnavailable(`JetStream refused the append: ${error.message}`, { cause: error });
  }
  return new AppendOutcomeUnknown(`${stream}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
}

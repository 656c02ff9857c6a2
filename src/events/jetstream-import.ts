import { openAppendingImport } from './appending-import.ts';
import { newLogId } from './ids.ts';
import { asked } from './jetstream-api.ts';
import { openJetStream } from './jetstream-log.ts';
import type { JetStreamLogOptions } from './jetstream-log.ts';
import { markCopy } from './jetstream-stream.ts';
import { assertCopyOf } from './log-import.ts';
import type { CopiedLog, LogImport } from './log-import.ts';

/**
 * A log in JetStream that `source` is copied into: a new one, or what an earlier copy of the same source has left. One commit after the other, since only so
 * each is sure to get the number that it has in the source.
 * @throws {NatsUnreachable} @throws {LogUnavailable} when another log stands there. @throws {LogCorrupt}
 */
export async function openJetStreamImport(options: JetStreamLogOptions & { readonly source: CopiedLog }): Promise<LogImport> {
  const { space, random, source } = options;
  const id = source.dense ? source.id : newLogId(random);
  const { log, about, api } = await openJetStream(options, () => ({ id, namespace: source.namespace, copyOf: source.id }));
  try {
    assertCopyOf(source, about, source.dense, `the space "${space}" in JetStream`);
    const mark = (unfinished: boolean) => asked(markCopy(api, space, unfinished));
    return await openAppendingImport(log, { mark, keepsPositions: source.dense });
  } catch (error) {
    await log.close();
    throw error;
  }
}

import { access, open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { LmdbEventLog } from '../../events/lmdb-log.ts';
import { logFileName, openLmdbLog } from '../../events/lmdb-log.ts';
import { formatPosition } from '../../events/position.ts';
import type { Node } from '../../node.ts';
import { assertReplaceable, pack, refuseToReplace } from '../backup/archive.ts';
import { type Manifest, createManifest, manifestName } from '../backup/manifest.ts';
import { gatherBeside } from '../backup/partial.ts';
import { saveSessions, savedSessionsName } from '../backup/saved-sessions.ts';
import { JobFailed } from '../control-protocol.ts';
import type { JobContext } from '../control-server.ts';
import { readSideOf } from './read-side-of.ts';
import { onlyArguments, pathArgument, switchArgument, wrong } from './job-arguments.ts';

/** Copies the log and the sessions into one file while everything goes on. Sessions come first: then the log knows every user that has one. */
export async function backupJob(node: Node, given: Readonly<Record<string, unknown>>, context: JobContext): Promise<Manifest> {
  onlyArguments(given, ['file', 'force']);
  const file = pathArgument(given, 'file');
  if (file === undefined) throw wrong('file', 'is needed');
  const log = embeddedLogOf(node);
  const replace = switchArgument(given, 'force');
  if (replace) await assertReplaceable(file);
  else if (await exists(file)) refuseToReplace(file)({ code: 'EEXIST' });

  const step = (phase: string): void => {
    context.signal.throwIfAborted();
    context.report({ phase, done: 0, total: 0, unit: 'files' });
  };
  return gatherBeside(file, async (folder) => {
    step('saving sessions');
    const sessionsFile = await open(join(folder, savedSessionsName), 'wx', 0o600);
    const sessions = await saveSessions(readSideOf(node).database, sessionsFile).finally(() => sessionsFile.close());
    step('copying the log');
    await log.backup(join(folder, logFileName));
    step('checking the copy');
    const about = await look(folder, node);
    const manifest = await createManifest({ createdAt: new Date(node.clock.now()).toISOString(), ...about, sessions }, [
      join(folder, logFileName),
      join(folder, savedSessionsName),
    ]);
    await writeFile(join(folder, manifestName), `${JSON.stringify(manifest, null, 2)}\n`);
    step('packing');
    await pack(folder, [manifestName, logFileName, savedSessionsName], file, { replace, signal: context.signal });
    return manifest;
  });
}

/** Opens the copy as a log: what cannot be opened is no backup. */
async function look(folder: string, node: Node): Promise<Pick<Manifest, 'logId' | 'commits' | 'position'>> {
  const copy = await openLmdbLog({ directory: folder, readOnly: true, random: node.random, logger: node.logger });
  try {
    const tail = await copy.tail();
    return { logId: copy.id, commits: copy.commitCount, position: tail === undefined ? null : formatPosition(tail.position) };
  } finally {
    await copy.close();
  }
}

function embeddedLogOf(node: Node): LmdbEventLog {
  if (node.embeddedLog) return node.embeddedLog;
  throw new JobFailed(
    'NO_EMBEDDED_LOG',
    'a backup is of an embedded log, and this system keeps its log on servers: copy it into a data directory with "starling log copy"',
  );
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

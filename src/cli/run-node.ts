import { systemClock } from '../clock.ts';
import type { Config } from '../config.ts';
import type { Role } from '../settings.ts';
import { openDataDirectory } from '../data-directory.ts';
import { assertCanListen } from '../gateway/listening.ts';
import { launchDatabase, needsDatabase } from '../launch-database.ts';
import type { Logger } from '../logger.ts';
import type { Node } from '../node.ts';
import { createShutdownStack } from '../shutdown-stack.ts';
import { loadSavedSessions } from './backup/saved-sessions.ts';
import { serveControl } from './control-server.ts';
import { createJobs } from './jobs.ts';
import { openPassingDirectory } from './passing-directory.ts';

/** A node in this process that holds the data directory and answers on its control socket. */
export interface OwnNode {
  readonly node: Node;
  readonly runJob: ReturnType<typeof createJobs>;
  /** Stops in reverse order and lets go of the data directory. */
  stop(): Promise<void>;
}

/** Does a node with these roles write anything that must outlive it? */
export function keepsFiles({ logEngine, databaseUrl }: Config, roles: readonly Role[]): boolean {
  return logEngine === 'lmdb' || (databaseUrl === undefined && roles.some((role) => role !== 'actors'));
}

export async function runNode(config: Config, roles: readonly Role[], logger: Logger): Promise<OwnNode> {
  const directory =
    keepsFiles(config, roles) || config.dataDirectoryGiven ? await openDataDirectory(config.dataDirectory) : await openPassingDirectory();
  const stack = createShutdownStack(logger);
  stack.push('data directory', () => directory.release());
  try {
    if (roles.includes('gateway')) await assertCanListen(config);
    const database = needsDatabase(config, roles)
      ? await launchDatabase(config, directory, { logger, clock: systemClock }, stack)
      : undefined;
    // Loaded only now: what cannot work is told at once, and PostgreSQL starts meanwhile.
    const { startNode } = await import('../node.ts');
    const node = await startNode(config, {
      roles,
      directory,
      database,
      stack,
      logger,
      beforeServing: (opened) => loadSavedSessions(directory, opened, logger),
    });
    const runJob = createJobs(node);
    const control = await serveControl(directory.controlSocket, runJob, { logger });
    stack.push('control socket', () => control.close());
    return { node, runJob, stop: () => stack.stop() };
  } catch (error) {
    await stack.stop();
    throw error;
  }
}

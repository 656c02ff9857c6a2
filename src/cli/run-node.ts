import type { Config } from '../config.ts';
import type { Role } from '../settings.ts';
import { openDataDirectory } from '../data-directory.ts';
import type { Logger } from '../logger.ts';
import type { Node } from '../node.ts';
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
  let node: Node | undefined;
  try {
    // Loaded only now, so that a directory which cannot be used is told at once.
    const { startNode } = await import('../node.ts');
    node = await startNode(config, {
      roles,
      directory,
      logger,
      beforeServing: (database) => loadSavedSessions(directory, database, logger),
    });
    const runJob = createJobs(node);
    const control = await serveControl(directory.controlSocket, runJob, { logger });
    const started = node;
    return {
      node: started,
      runJob,
      async stop() {
        await control.close();
        await started.stop();
        await directory.release();
      },
    };
  } catch (error) {
    await node?.stop();
    await directory.release();
    throw error;
  }
}

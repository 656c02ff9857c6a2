import type { Config } from '../config.ts';
import type { Role } from '../settings.ts';
import { controlSocketOf } from '../data-directory.ts';
import { DirectoryInUse } from '../directory-lock.ts';
import { createLogger } from '../logger.ts';
import type { CommandContext } from './command-line.ts';
import { NotRunning, requestJob } from './control-client.ts';
import type { ControlRequest } from './control-protocol.ts';
import { JobFailed } from './control-protocol.ts';
import { createProgressDisplay } from './progress.ts';

/**
 * Does a job in the node that runs on the data directory; where none runs, in a node of our own with these roles, for as long as it takes, unless
 * `beforeOwnNode` throws.
 * @throws {JobFailed} and whatever keeps a node from starting.
 */
export async function doJob(
  config: Config,
  request: ControlRequest,
  roles: readonly Role[],
  context: CommandContext,
  beforeOwnNode: () => Promise<void> = async () => undefined,
): Promise<unknown> {
  const { terminal, clock, interrupts } = context;
  const display = createProgressDisplay(terminal, clock);
  const options = { signal: interrupts.signal, report: display.show };
  const socket = await controlSocketOf(config.dataDirectory);
  try {
    return await requestJob(socket, request, options);
  } catch (error) {
    if (!(error instanceof NotRunning)) throw error;
  } finally {
    display.finish();
  }
  await beforeOwnNode();
  const { runNode } = await import('./run-node.ts');
  // In a cluster others have the roles, and our node only talks to them.
  const own = await runNode(config, config.logEngine === 'lmdb' ? roles : [], createLogger(config.logLevel)).catch((error: unknown) => {
    if (error instanceof DirectoryInUse)
      throw new JobFailed(
        'STARTING',
        `the Starling with pid ${error.pid} is starting or stopping on ${config.dataDirectory}: try again in a moment`,
      );
    throw error;
  });
  try {
    return await own.runJob(request, options);
  } finally {
    display.finish();
    await own.stop();
  }
}

import { chmod, mkdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Clock } from '../clock.ts';
import { limits } from '../limits.ts';
import type { Logger } from '../logger.ts';
import { folderForSocket } from '../socket-path.ts';
import { collectOutput, explainFailure, findPostgresBinaries, spawnUnprivileged } from './postgres-binaries.ts';
import type { PostgresBinaries } from './postgres-binaries.ts';
import { exists, initialiseCluster } from './postgres-cluster.ts';
import { stopOrphan, stopPostmaster } from './postgres-orphan.ts';

export interface EmbeddedPostgres {
  /** `host` is the folder of the Unix socket, which its owner alone can open; there is no TCP port. */
  readonly connection: { readonly host: string; readonly user: string; readonly database: string };
  /** Of the server that runs now; it changes when the server had to be restarted. */
  pid(): number | undefined;
  /** How often the server died by itself and was started again. */
  restarts(): number;
  /** Ends sessions, shuts down and waits for the end, by force if need be. */
  stop(): Promise<void>;
}

// fsync and synchronous_commit stay on: sessions live here too. No replication, no parallel workers: one machine, short queries.
const settings: Readonly<Record<string, string>> = {
  listen_addresses: '',
  unix_socket_permissions: '0700',
  max_connections: '60',
  shared_buffers: '128MB',
  effective_cache_size: '1GB',
  work_mem: '16MB',
  maintenance_work_mem: '128MB',
  wal_level: 'minimal',
  max_wal_senders: '0',
  max_wal_size: '1GB',
  checkpoint_timeout: '15min',
  // Index-only scans, which timelines live on, need pages that a vacuum has seen.
  autovacuum_naptime: '15s',
  jit: 'off',
  io_method: 'sync',
  max_parallel_workers_per_gather: '0',
  max_logical_replication_workers: '0',
  max_worker_processes: '2',
  random_page_cost: '1.1',
  // Statements and details would put what users wrote into a log.
  log_min_error_statement: 'panic',
  log_error_verbosity: 'terse',
  log_min_messages: 'warning',
  log_checkpoints: 'off',
};

/**
 * Runs a real PostgreSQL of our own below `directory` (`cluster/` holds its files). The caller holds the lock of the data directory: a server that
 * is found running in there is taken for an orphan and stopped.
 * @throws {Error} with a cure, when it cannot be initialised or started.
 */
export async function startEmbeddedPostgres(options: {
  directory: string;
  logger: Logger;
  clock: Clock;
  /** Called when a process of PostgreSQL has been started and is being waited for; perhaps more than once. */
  onLaunch?: () => void;
}): Promise<EmbeddedPostgres> {
  const { logger, clock, onLaunch } = options;
  const directory = resolve(options.directory);
  const cluster = join(directory, 'cluster');
  const binaries = await findPostgresBinaries();
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const host = await createSocketFolder(directory);
  await initialiseCluster(binaries, cluster, onLaunch);
  await stopOrphan(cluster, host, { clock, logger });

  let running = await startServer(binaries, cluster, host, clock, onLaunch);
  let restarts = 0;
  const stopping = new AbortController();
  let restarting: Promise<void> = Promise.resolve();
  /** In a row: tries that came to nothing, or to a server that died soon. */
  let failures = 0;

  const superviseFrom = (server: Server) => {
    const startedAt = clock.monotonicMs();
    void server.exited.then(() => {
      if (stopping.signal.aborted) return;
      if (clock.monotonicMs() - startedAt > limits.postgresWellAfterMs) failures = 0;
      logger.error({ pid: server.pid, output: server.output() }, 'PostgreSQL ended by itself');
      restarting = restart();
    });
  };
  // Without end: what it dies of, such as a full disk, may be cured while this process goes on.
  const restart = async () => {
    while (!stopping.signal.aborted) {
      await clock.sleep(pauseAfter(failures++), stopping.signal);
      if (stopping.signal.aborted) return;
      try {
        await stopOrphan(cluster, host, { clock, logger });
        running = await startServer(binaries, cluster, host, clock);
        restarts += 1;
        logger.warn({ pid: running.pid, restarts }, 'PostgreSQL started again');
        superviseFrom(running);
        return;
      } catch (cause) {
        logger.error({ error: String(cause) }, 'PostgreSQL could not be started again');
      }
    }
  };
  superviseFrom(running);

  return {
    connection: connectionAt(host),
    pid: () => running.pid,
    restarts: () => restarts,
    stop: async () => {
      stopping.abort();
      await restarting;
      if (!running.hasExited()) await stopPostmaster(running.pid, clock, running.hasExited);
    },
  };
}

/** None after the first failure; each further one doubles it. */
function pauseAfter(failures: number): number {
  return failures === 0 ? 0 : Math.min(limits.postgresRestartPauseMs * 2 ** (failures - 1), limits.postgresRestartPauseMaxMs);
}

/** How to reach the one that another process runs below `directory`; undefined when none was ever made there. */
export async function findEmbeddedPostgres(directory: string): Promise<EmbeddedPostgres['connection'] | undefined> {
  if (!(await exists(join(resolve(directory), 'cluster', 'PG_VERSION')))) return undefined;
  return connectionAt(await socketFolderOf(resolve(directory)));
}

function connectionAt(host: string): EmbeddedPostgres['connection'] {
  return { host, user: 'starling', database: 'postgres' };
}

function socketFolderOf(directory: string): Promise<string> {
  return folderForSocket(join(directory, 'socket'), '.s.PGSQL.5432');
}

async function createSocketFolder(directory: string): Promise<string> {
  const folder = await socketFolderOf(directory);
  if (folder !== join(directory, 'socket')) return folder;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await chmod(folder, 0o700);
  return folder;
}

interface Server {
  readonly pid: number;
  readonly exited: Promise<void>;
  hasExited(): boolean;
  output(): string;
}

/** Starts the server and waits until it accepts connections. Tries again while the processes of one that was killed are still going away. */
async function startServer(
  binaries: PostgresBinaries,
  cluster: string,
  host: string,
  clock: Clock,
  onLaunch?: () => void,
): Promise<Server> {
  const deadline = clock.monotonicMs() + limits.postgresStartMs;
  const all = Object.entries({ ...settings, unix_socket_directories: host });
  const args = ['-D', cluster, ...all.flatMap(([name, value]) => ['-c', `${name}=${value}`])];
  for (;;) {
    const child = spawnUnprivileged(binaries.postgres, args);
    onLaunch?.();
    const output = collectOutput(child);
    let failure: unknown;
    let ended = false;
    const exited = new Promise<void>((resolvePromise) => {
      child.once('error', (cause) => {
        failure = cause;
        ended = true;
        resolvePromise();
      });
      child.once('exit', () => {
        ended = true;
        resolvePromise();
      });
    });
    while (!ended && clock.monotonicMs() < deadline) {
      if (await isReady(cluster, child.pid)) return { pid: child.pid!, exited, hasExited: () => ended, output };
      await clock.sleep(5);
    }
    if (!ended && child.pid !== undefined) await stopPostmaster(child.pid, clock, () => ended);
    if (clock.monotonicMs() >= deadline || !output().includes('still in use'))
      throw explainFailure('PostgreSQL did not start', output(), failure);
    await clock.sleep(50);
  }
}

/** As `pg_ctl` sees it: the lock file names our process, and its last line says that it is ready. */
async function isReady(cluster: string, pid: number | undefined): Promise<boolean> {
  const lines = (await readFile(join(cluster, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n');
  return Number(lines[0]) === pid && lines[7]?.trim() === 'ready';
}

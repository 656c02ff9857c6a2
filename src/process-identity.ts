import { readFile } from 'node:fs/promises';

/** Tells a process from a later one with the same pid: same start, same boot of the machine. */
export interface ProcessIdentity {
  readonly pid: number;
  readonly start: string;
  readonly boot: string;
}

/** Undefined when there is no such process. Without /proc the pid alone must do. */
export async function identityOf(pid: number): Promise<ProcessIdentity | undefined> {
  try {
    const [stat, boot] = await Promise.all([readFile(`/proc/${pid}/stat`, 'utf8'), readFile('/proc/sys/kernel/random/boot_id', 'utf8')]);
    // The second field is the name in brackets and may hold anything; the fields after it are plain. The 22nd is the start, the third the state.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : { pid, start: fields[19]!, boot: boot.trim() };
  } catch {
    if (process.platform === 'linux') return undefined;
  }
  try {
    process.kill(pid, 0);
    return { pid, start: '', boot: '' };
  } catch (cause) {
    return (cause as NodeJS.ErrnoException).code === 'EPERM' ? { pid, start: '', boot: '' } : undefined;
  }
}

export async function stillRuns(process: ProcessIdentity): Promise<boolean> {
  const now = await identityOf(process.pid);
  return now !== undefined && now.start === process.start && now.boot === process.boot;
}

/** Reads back what `JSON.stringify` made of one; undefined for anything else, such as a file that was being written. */
export function parseIdentity(text: string): ProcessIdentity | undefined {
  try {
    const value = JSON.parse(text) as { pid?: unknown; start?: unknown; boot?: unknown };
    return typeof value.pid === 'number' ? { pid: value.pid, start: String(value.start), boot: String(value.boot) } : undefined;
  } catch {
    return undefined;
  }
}

import type { ChildProcess } from 'node:child_process';

const children = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});

/** Ends a process at the latest when the runner of the tests ends, so that a failed test leaves none behind. */
export function endWithRunner(child: ChildProcess): void {
  children.add(child);
  child.once('exit', () => children.delete(child));
}

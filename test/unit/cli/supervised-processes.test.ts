import { spawn } from 'node:child_process';
import type * as ChildProcesses from 'node:child_process';
import { EventEmitter } from 'node:events';
import { expect, onTestFinished, test, vi } from 'vitest';
import { superviseProcesses } from '../../../src/cli/cluster/processes.ts';
import type { Terminal } from '../../../src/cli/terminal.ts';
import { systemClock } from '../../../src/clock.ts';
import { eventually } from '../../support/wait-for.ts';

vi.mock('node:child_process', async (original) => {
  const actual = await original<typeof ChildProcesses>();
  return { ...actual, spawn: vi.fn<typeof actual.spawn>(actual.spawn) };
});

function listen(): { readonly terminal: Terminal; readonly lines: string[] } {
  const lines: string[] = [];
  const same = (text: string) => text;
  return { terminal: { print: (line) => void lines.push(line), say: () => {}, motion: false, bold: same, dim: same, red: same }, lines };
}

// Nobody waits in these tests.
const clock = { ...systemClock, sleep: (_ms: number, signal?: AbortSignal) => systemClock.sleep(0, signal) };

test('a process whose start cannot be written down runs all the same, and is started again when it ends', async () => {
  const { terminal, lines } = listen();
  const note = () => Promise.reject(new Error('ENOSPC: no space left on device'));
  const processes = superviseProcesses({ terminal, clock, started: { note, endOrphans: async () => [] } });
  onTestFinished(() => processes.stop());
  processes.start({ name: 'brief', command: process.execPath, args: ['-e', ''], env: {} });
  await eventually(() => lines.filter((line) => /brief runs with pid \d+/.test(line)).length >= 2, 'it was started again');
  expect(lines).toContain('brief is not noted: ENOSPC: no space left on device');
  expect(lines.some((line) => line.startsWith('brief ended with exit code 0'))).toBe(true);
});

test('a process that cannot be started, since too many files are open, is started later', async () => {
  const { terminal, lines } = listen();
  // As Node does it: without a pid, without streams, and with the error a moment later.
  vi.mocked(spawn).mockImplementationOnce(() => {
    const child = new EventEmitter();
    process.nextTick(() => child.emit('error', new Error('spawn EMFILE')));
    return child as ChildProcesses.ChildProcess;
  });
  const processes = superviseProcesses({ terminal, clock, started: { note: async () => {}, endOrphans: async () => [] } });
  onTestFinished(() => processes.stop());
  processes.start({ name: 'brief', command: process.execPath, args: ['-e', ''], env: {} });
  await eventually(() => lines.some((line) => /brief runs with pid \d+/.test(line)), 'it was started later');
  expect(lines[0]).toMatch(/^brief cannot be run: spawn EMFILE; it is started again/);
});

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import type { Readable } from 'node:stream';
import type { Clock } from '../../clock.ts';
import { limits } from '../../limits.ts';
import type { Terminal } from '../terminal.ts';
import type { StartedProcesses } from './orphans.ts';
import { showLines } from './readable-log.ts';

export interface Program {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** Which of its lines are worth showing; all by default. */
  readonly shows?: (line: string) => boolean;
}

/** Keeps programs running: one that ends by itself is started again after a pause, long enough to see how the others do without it. */
export interface Processes {
  start(program: Program): void;
  /** Asks one to stop; it is started again. */
  restart(name: string): void;
  /** Asks all of them to stop, the last started first, each when the one after it has ended; who does not within the time is killed. */
  stop(): Promise<void>;
}

interface Slot {
  readonly name: string;
  child: ChildProcess | undefined;
  ended: Promise<void>;
}

export function superviseProcesses(ports: { terminal: Terminal; clock: Clock; started: StartedProcesses }): Processes {
  const { terminal, clock, started } = ports;
  const stopping = new AbortController();
  const running: Slot[] = [];
  // Who insists on an end at once, with a second Ctrl-C, gets one of everything.
  const endAll = (): void => {
    for (const { child } of running) child?.kill('SIGKILL');
  };
  process.once('exit', endAll);

  async function keep(program: Program, slot: Slot): Promise<void> {
    const { name, command, args, env } = program;
    while (!stopping.signal.aborted) {
      // A group of its own: Ctrl-C reaches this process alone, which then stops the others in order.
      const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
      slot.child = child;
      // Where no file can be opened there are no streams either, and the error comes a moment later.
      for (const stream of [child.stdout, child.stderr] as (Readable | undefined)[]) if (stream) showLines(stream, program, terminal);
      const ended = new Promise<string>((resolve) => {
        child.once('error', (error) => resolve(`cannot be run: ${error.message}`));
        child.once('close', (code, signal) => resolve(signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`));
      });
      if (child.pid !== undefined) {
        // A full disk, say, must not end all of them: this one is only not found by the next start, should we be killed.
        await started
          .note(name, child.pid)
          .catch((error: Error) => terminal.print(`${terminal.bold(name)} is not noted: ${error.message}`));
        terminal.print(`${terminal.bold(name)} runs with pid ${child.pid}`);
      }
      const how = await ended;
      slot.child = undefined;
      if (stopping.signal.aborted) return;
      terminal.print(`${terminal.bold(name)} ${how}; it is started again in ${limits.clusterRestartPauseMs / 1000} s`);
      await clock.sleep(limits.clusterRestartPauseMs, stopping.signal);
    }
  }

  return {
    start(program) {
      const slot: Slot = { name: program.name, child: undefined, ended: Promise.resolve() };
      slot.ended = keep(program, slot);
      running.push(slot);
    },
    restart: (name) => void running.find((slot) => slot.name === name)?.child?.kill('SIGTERM'),
    async stop() {
      stopping.abort();
      for (const slot of running.toReversed()) {
        slot.child?.kill('SIGTERM');
        const done = new AbortController();
        void slot.ended.then(() => done.abort());
        await clock.sleep(limits.clusterStopTimeoutMs, done.signal);
        slot.child?.kill('SIGKILL');
        await slot.ended;
      }
      process.off('exit', endAll);
    },
  };
}

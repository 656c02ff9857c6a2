import { Presets, SingleBar } from 'cli-progress';
import type { Clock } from '../clock.ts';
import { limits } from '../limits.ts';
import type { Progress } from './control-protocol.ts';
import type { Terminal } from './terminal.ts';

/** Shows how far a job is: a bar where somebody watches, now and then a line where not. */
export interface ProgressDisplay {
  show(progress: Progress): void;
  /** Leaves the last state standing. */
  finish(): void;
}

export function createProgressDisplay(terminal: Terminal, clock: Clock): ProgressDisplay {
  const render = terminal.motion ? createBar() : createLines(terminal, clock);
  let current: { phase: string; begun: number; doneAtBegin: number; last: Progress } | undefined;
  const finish = (): void => {
    if (current) render.finish(line(current.last, current, clock.monotonicMs()));
    current = undefined;
  };
  return {
    show(progress) {
      if (current?.phase !== progress.phase) {
        finish();
        current = { phase: progress.phase, begun: clock.monotonicMs(), doneAtBegin: progress.done, last: progress };
        render.begin(progress);
      }
      current.last = progress;
      render.update(progress, line(progress, current, clock.monotonicMs()));
    },
    finish,
  };
}

/** `follows: 12,345 of 68,328 (18 %), 24,100 commands/s, 3 s left` */
function line(progress: Progress, since: { begun: number; doneAtBegin: number }, now: number): string {
  const seconds = (now - since.begun) / 1000;
  const rate = seconds > 0.05 ? (progress.done - since.doneAtBegin) / seconds : 0;
  const count = (value: number): string => Math.round(value).toLocaleString('en-US');
  if (progress.total === 0 && progress.done === 0) return progress.phase;
  const parts = [
    progress.total > 0
      ? `${count(progress.done)} of ${count(progress.total)} (${Math.floor((progress.done / progress.total) * 100)} %)`
      : count(progress.done),
  ];
  if (rate > 0) parts.push(`${count(rate)} ${progress.unit}/s`);
  if (rate > 0 && progress.done < progress.total) parts.push(`${duration((progress.total - progress.done) / rate)} left`);
  else if (progress.total > 0 && progress.done >= progress.total) parts.push(`took ${duration(seconds)}`);
  return `${progress.phase}: ${parts.join(', ')}`;
}

/** Seconds as `7 s`, `3 min 5 s` or `2 h 10 min`. */
export function duration(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** Characters. */
const barWidth = 24;

interface Renderer {
  begin(progress: Progress): void;
  update(progress: Progress, text: string): void;
  finish(text: string): void;
}

function createBar(): Renderer {
  let bar: SingleBar | undefined;
  return {
    begin(progress) {
      // What cannot be counted has a name and no bar.
      const format = progress.total > 0 ? '{bar} {text}' : `${' '.repeat(barWidth)} {text}`;
      bar = new SingleBar(
        { format, stream: process.stderr, hideCursor: true, clearOnComplete: false, barsize: barWidth, linewrap: false },
        Presets.shades_classic,
      );
      bar.start(Math.max(progress.total, 1), progress.done, { text: progress.phase });
    },
    update(progress, text) {
      bar?.setTotal(Math.max(progress.total, 1));
      bar?.update(progress.done, { text });
    },
    finish(text) {
      bar?.update({ text });
      bar?.stop();
    },
  };
}

function createLines(terminal: Terminal, clock: Clock): Renderer {
  let said = 0;
  return {
    begin: () => (said = clock.monotonicMs()),
    update(_progress, text) {
      if (clock.monotonicMs() - said < limits.progressLineEveryMs) return;
      said = clock.monotonicMs();
      terminal.say(text);
    },
    finish: (text) => terminal.say(text),
  };
}

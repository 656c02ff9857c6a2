import { readFile } from 'node:fs/promises';
import { launchStarling } from '../support/starling-process.ts';
import { eventually } from '../support/wait-for.ts';

export interface ActorNode {
  readonly pid: number;
  /** Seconds of CPU, of all threads, since it began. */
  cpuSeconds(): Promise<number>;
  stop(): Promise<void>;
}

/** One `starling actors`, as an operator starts it. */
export async function startActorNode(env: Readonly<Record<string, string>>): Promise<ActorNode> {
  const { child, output, ended } = launchStarling(['actors', '--log-level', 'warn'], env);
  let over = false;
  void ended.then(() => (over = true));
  await eventually(() => over || output().includes('is ready'), 'the actor node is ready', 60_000);
  if (over) throw new Error(`an actor node ended: ${output()}`);
  return {
    pid: child.pid!,
    async cpuSeconds() {
      const stat = await readFile(`/proc/${child.pid}/stat`, 'utf8');
      // Behind the name in brackets: the 12th and 13th field from there are user and system time, in hundredths of a second.
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return (Number(fields[11]) + Number(fields[12])) / 100;
    },
    async stop() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

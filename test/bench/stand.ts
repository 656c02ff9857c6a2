import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { nodeOptions } from '../../src/node-options.ts';
import { startChild } from './calls.ts';
import type { Child } from './calls.ts';
import type { Input } from './input.ts';
import type { LoadPlan, LoadResult } from './load.ts';
import type { LoadCalls } from './load-process.ts';
import type { ResumePlan, ResumeResult } from './resume-load.ts';
import type { Sizes } from './sizes.ts';
import type { SystemCalls } from './system-process.ts';

/** A running system under test: a whole node in a process of its own, and beside its gateway one whose resolvers return constants. */
export interface System extends Child<SystemCalls> {
  readonly port: number;
  readonly floorPort: number;
}

/** What all scenarios share: the sizes, the data, the load process, and the system that holds the data. */
export interface Stand {
  readonly sizes: Sizes;
  readonly input: Input;
  /** Where systems and floors keep their files. */
  readonly folder: string;
  /** Texts to post. */
  readonly texts: readonly string[];
  progress(text: string): void;
  /** `env`: settings besides those of every system. */
  startSystem(name: string, env?: Readonly<Record<string, string>>): Promise<System>;
  /** Makes a system that holds the data the one that `loaded` returns. */
  keep(system: System): Promise<void>;
  /** The system that holds the data, imported when first asked for. */
  loaded(): Promise<System>;
  /** A session for each user of the loaded system, in the order in which they registered. */
  tokens(): Promise<readonly string[]>;
  /** @throws when a request fails: a rate of errors is no result. */
  load(plan: LoadPlan): Promise<LoadResult>;
  resumes(plan: ResumePlan): Promise<ResumeResult>;
  close(): Promise<void>;
}

export function createStand(options: {
  sizes: Sizes;
  input: Input;
  folder: string;
  texts: readonly string[];
  progress: (text: string) => void;
}): Stand {
  const { sizes, input, folder, texts, progress } = options;
  const load: Child<LoadCalls> = startChild(new URL('load-process.ts', import.meta.url));
  const systems = new Set<System>();
  let kept: System | undefined;
  let tokens: readonly string[] | undefined;

  const stand: Stand = {
    sizes,
    input,
    folder,
    texts,
    progress,
    async startSystem(name, env = {}) {
      const directory = join(folder, name);
      await mkdir(directory, { recursive: true });
      const child: Child<SystemCalls> = startChild(new URL('system-process.ts', import.meta.url), { nodeOptions, onProgress: progress });
      const system: System = {
        ...child,
        ...(await child.call('start', { directory, env }).catch(async (cause: unknown) => {
          await child.stop();
          throw cause;
        })),
        async stop() {
          systems.delete(system);
          await child.stop();
          await rm(directory, { recursive: true, force: true });
        },
      };
      systems.add(system);
      return system;
    },
    async keep(system) {
      const before = kept;
      kept = system;
      tokens = undefined;
      await before?.stop();
    },
    async loaded() {
      if (kept !== undefined) return kept;
      progress('importing the data');
      const system = await stand.startSystem('loaded');
      await system.call('importFiles', { ...input, inFlight: sizes.commandsInFlight });
      await system.call('caughtUp', undefined);
      await stand.keep(system);
      return system;
    },
    async tokens() {
      const system = await stand.loaded();
      tokens ??= (await system.call('openSessions', {})).map((user) => user.token);
      return tokens;
    },
    async load(plan) {
      const result = await load.call('run', plan);
      if (result.failed > 0) throw new Error(`${result.failed} requests failed, the first with ${result.firstFailure}`);
      return result;
    },
    async resumes(plan) {
      const result = await load.call('resume', plan);
      if (result.failed > 0) throw new Error(`${result.failed} resumes failed, the first with ${result.firstFailure}`);
      return result;
    },
    async close() {
      await Promise.all([load.stop(), ...[...systems].map((system) => system.stop())]);
    },
  };
  return stand;
}

import { startChild } from '../calls.ts';
import type { Child } from '../calls.ts';
import { spreadOf } from '../harness.ts';
import type { Result } from '../harness.ts';
import type { MemoryCalls } from '../memory-process.ts';
import type { Stand } from '../stand.ts';

const idleActorBytes = 2_048;
const rememberedCommandBytes = 32;
const manyPostsBytes = 250 * 1_024;

/** Heap of actors, counted after a full collection: all that a passivation gives back. */
export async function measureMemory(stand: Stand): Promise<readonly Result[]> {
  stand.progress('memory of actors');
  const child: Child<MemoryCalls> = startChild(new URL('../memory-process.ts', import.meta.url), { nodeOptions: ['--expose-gc'] });
  const { posts, passivated } = stand.sizes.memory;
  try {
    const found = await child.call('measure', { input: stand.input, sizes: stand.sizes.memory });
    const size = (title: string, bytes: number, value: number, notes: readonly string[]): Result => ({
      scenario: 'memory',
      title,
      measured: spreadOf([bytes]),
      unit: 'B',
      target: { kind: 'at most', value },
      notes,
    });
    const remembered = found.commandsPerActor.toFixed(1);
    return [
      size('idle active actor, mean', found.bytesPerActor, idleActorBytes + rememberedCommandBytes * found.commandsPerActor, [
        `mean of ${found.actors.toLocaleString('en-US')} actors that remember ${remembered} commands each`,
      ]),
      size(`actor with ${posts.toLocaleString('en-US')} posts`, found.bytesOf10kPosts, manyPostsBytes, [
        `made in the course of a year; ${Math.round(found.bytesOf10kPostsToday / 1_024)} KB when all were made today, so that all their commands are remembered`,
      ]),
      {
        scenario: 'memory',
        title: `left after ${passivated.toLocaleString('en-US')} actors were put away`,
        measured: spreadOf([found.leftAfterPassivation * 100]),
        unit: '% of the heap',
        target: { kind: 'at most', value: 1 },
        notes: [],
      },
    ];
  } finally {
    await child.stop();
  }
}

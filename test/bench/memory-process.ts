import { measureActorMemory } from './actor-memory.ts';
import type { ActorMemory } from './actor-memory.ts';
import { serveCalls } from './calls.ts';
import { readLines } from './input.ts';
import type { Input } from './input.ts';
import type { Sizes } from './sizes.ts';

// Needs `--expose-gc`, and a heap in which nothing else lives.
const handlers = {
  async measure({ input, sizes }: { input: Input; sizes: Sizes['memory'] }): Promise<ActorMemory> {
    const indexes = new Map<string, number>();
    const indexOf = (user: string): number => {
      const known = indexes.get(user);
      if (known !== undefined) return known;
      indexes.set(user, indexes.size);
      return indexes.size - 1;
    };
    const [, ...lines] = await readLines(input.follows);
    const follows = lines.map((line) => {
      const [follower, followee] = line.split('\t');
      return [indexOf(follower!), indexOf(followee!)] as const;
    });
    const postCount = (await readLines(input.posts)).length;
    return measureActorMemory({ follows, userCount: indexes.size, postCount }, sizes);
  },
};
export type MemoryCalls = typeof handlers;

serveCalls(handlers);

import { hash } from 'node:crypto';
import type { CommandId } from '../../events/ids.ts';
import { limits } from '../../limits.ts';

/**
 * The commands of one stream that an actor must still know when the next one comes: the last 256, and at least those of the last 24 hours. Written anew
 * here, and not shared with the actors: whoever checks a rule must not believe in the same mistake. Some 60 bytes for each command.
 */
export class CommandWindow {
  readonly #commits = new Map<number, number>();
  #entries: { readonly key: number; readonly commit: number; readonly time: number }[] = [];
  #first = 0;

  /** Adds a command; the commit that has carried it out already, if one within the window has. */
  add(commandId: CommandId, commit: number, time: number): number | undefined {
    this.#forget(time);
    const key = keyOf(commandId);
    const earlier = this.#commits.get(key);
    this.#commits.set(key, commit);
    this.#entries.push({ key, commit, time });
    return earlier;
  }

  #forget(now: number): void {
    const { rememberedCommandsMin, rememberedCommandsMax, rememberedCommandsMs } = limits;
    for (;;) {
      const size = this.#entries.length - this.#first;
      const oldest = this.#entries[this.#first];
      if (oldest === undefined || size <= rememberedCommandsMin) break;
      if (size <= rememberedCommandsMax && oldest.time >= now - rememberedCommandsMs) break;
      if (this.#commits.get(oldest.key) === oldest.commit) this.#commits.delete(oldest.key);
      this.#first += 1;
    }
    if (this.#first < rememberedCommandsMin || this.#first * 2 < this.#entries.length) return;
    this.#entries = this.#entries.slice(this.#first);
    this.#first = 0;
  }
}

/** 48 bits: two ids of one stream look the same once in 10^14 pairs. */
function keyOf(commandId: CommandId): number {
  return Number.parseInt(hash('sha256', commandId).slice(0, 12), 16);
}

import { comparePositions } from '../../events/position.ts';
import type { Position } from '../../events/position.ts';
import type { PostId } from '../../events/ids.ts';
import { limits } from '../../limits.ts';
import type { PostRow, ReadModel } from '../../projections/read-model.ts';
import type { Insist } from './back-off.ts';
import { PostEntry } from './pushed.ts';

/** Makes entries and reads their fields. */
export function createEntries(options: { readModel: Pick<ReadModel, 'postsAsOf'>; insist: Insist }) {
  const { readModel, insist } = options;
  let newestState: { readonly readAt: Position; readonly entries: Map<PostId, PostEntry> } | undefined;

  return {
    /** One statement for all of them; a post that is gone becomes an entry that is left out. Comes back when it is done, or the feed is closed. */
    async load(entries: readonly PostEntry[]): Promise<void> {
      if (entries.length === 0) return;
      await insist('read the posts of a batch', async () => {
        const { position, posts } = await readModel.postsAsOf(entries.map(({ postId }) => postId));
        // It had passed all of them; a crash of the database may have taken that back. Then what is missing is not gone.
        const behind = entries.some((entry) => position === null || comparePositions(position, entry.position) < 0);
        if (behind) throw new Error('the read model stands before posts that it has shown');
        for (const [index, entry] of entries.entries()) {
          // Null may have come in between: deleted is for ever.
          if (entry.row === undefined) entry.row = posts[index] ?? null;
        }
      });
    },

    /** The entry of a row that a hand-over read at `readAt`. Clients that resume at the same state share it, and so the execution that it costs. */
    of(row: PostRow, readAt: Position): PostEntry {
      if (newestState === undefined || comparePositions(readAt, newestState.readAt) > 0) newestState = { readAt, entries: new Map() };
      const isNewest = comparePositions(readAt, newestState.readAt) === 0;
      const shared = isNewest ? newestState.entries.get(row.id) : undefined;
      if (shared !== undefined) return shared;
      const entry = new PostEntry(row.id, row.author.id, row.position, row);
      if (isNewest && newestState.entries.size < limits.handOverEntriesSharedMax) newestState.entries.set(row.id, entry);
      return entry;
    },
  };
}

import { userOfStream } from '../../events/ids.ts';
import type { LogId, PostId, UserId } from '../../events/ids.ts';
import type { RecordedCommit } from '../../events/event-log.ts';
import type { Position } from '../../events/position.ts';
import { PostEntry } from './pushed.ts';

/** What the log says about pushes: what, and whom. */
export type FeedEvent =
  | { readonly kind: 'posted'; readonly position: Position; readonly entry: PostEntry }
  | { readonly kind: 'deleted'; readonly position: Position; readonly postId: PostId }
  | { readonly kind: 'followed' | 'unfollowed'; readonly position: Position; readonly followerId: UserId; readonly followeeId: UserId };

/** The events of a batch that matter here, in log order. */
export function feedEventsOf(logId: LogId, commits: readonly RecordedCommit[]): FeedEvent[] {
  const found: FeedEvent[] = [];
  for (const { commit, stream, events } of commits) {
    const userId = userOfStream(stream);
    if (userId === undefined) continue;
    for (const [index, event] of events.entries()) {
      const position = { logId, commit, index };
      switch (event.type) {
        case 'PostCreated':
          found.push({ kind: 'posted', position, entry: new PostEntry(event.postId, userId, position) });
          break;
        case 'PostDeleted':
          found.push({ kind: 'deleted', position, postId: event.postId });
          break;
        case 'UserFollowed':
          found.push({ kind: 'followed', position, followerId: userId, followeeId: event.followeeId });
          break;
        case 'UserUnfollowed':
          found.push({ kind: 'unfollowed', position, followerId: userId, followeeId: event.followeeId });
          break;
        case 'UserRegistered':
        case 'CommandNoted':
        case 'RunStarted':
        case 'RunEnded':
          break;
      }
    }
  }
  return found;
}

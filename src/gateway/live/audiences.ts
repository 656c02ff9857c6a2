import type { UserId } from '../../events/ids.ts';
import type { Position } from '../../events/position.ts';
import type { LiveStream } from './live-stream.ts';
import type { PostEntry } from './pushed.ts';

export type PostStream = LiveStream<PostEntry>;

/** What a subscription looks at: a viewer's home, or the posts of one author. */
export type Timeline = { readonly kind: 'home'; readonly viewerId: UserId } | { readonly kind: 'user'; readonly authorId: UserId };

/** All subscriptions of one timeline: they look at the same authors, however many there are. */
export interface Audience {
  readonly timeline: Timeline;
  readonly authors: ReadonlySet<UserId>;
  /** Each stream with the position up to which everything was handed to it already. */
  readonly streams: ReadonlyMap<PostStream, Position>;
}

interface OpenAudience extends Audience {
  readonly authors: Set<UserId>;
  readonly streams: Map<PostStream, Position>;
}

const keyOf = (timeline: Timeline) => (timeline.kind === 'home' ? `home/${timeline.viewerId}` : `user/${timeline.authorId}`);

const none: ReadonlySet<Audience> = new Set();

/** The index of the live feed: from an author to who is to be pushed that author's posts. */
export function createAudiences() {
  const open = new Map<string, OpenAudience>();
  const byAuthor = new Map<UserId, Set<OpenAudience>>();

  const look = (audience: OpenAudience, authorId: UserId): void => {
    audience.authors.add(authorId);
    const audiences = byAuthor.get(authorId);
    if (audiences) audiences.add(audience);
    else byAuthor.set(authorId, new Set([audience]));
  };

  const lookAway = (audience: OpenAudience, authorId: UserId): void => {
    audience.authors.delete(authorId);
    const audiences = byAuthor.get(authorId);
    audiences?.delete(audience);
    if (audiences?.size === 0) byAuthor.delete(authorId);
  };

  return {
    /** Who looks at this author now. The set is live: it changes with the index. */
    of: (authorId: UserId): ReadonlySet<Audience> => byAuthor.get(authorId) ?? none,

    /**
     * `authors` counts only for the first stream of a timeline; the others share what is there. It may be ahead of the feed: relations that it holds
     * already come once more, and leave it as it was. `from`: see `Audience.streams`.
     */
    join(timeline: Timeline, stream: PostStream, from: Position, authors: Iterable<UserId>): void {
      const key = keyOf(timeline);
      let audience = open.get(key);
      if (audience === undefined) {
        audience = { timeline, authors: new Set(), streams: new Map() };
        open.set(key, audience);
        for (const authorId of authors) look(audience, authorId);
      }
      audience.streams.set(stream, from);
    },

    leave(timeline: Timeline, stream: PostStream): void {
      const audience = open.get(keyOf(timeline));
      if (audience === undefined || !audience.streams.delete(stream) || audience.streams.size > 0) return;
      open.delete(keyOf(timeline));
      for (const authorId of [...audience.authors]) lookAway(audience, authorId);
    },

    relate(change: 'followed' | 'unfollowed', followerId: UserId, followeeId: UserId): void {
      const audience = open.get(`home/${followerId}`);
      if (audience === undefined) return;
      if (change === 'followed') look(audience, followeeId);
      else lookAway(audience, followeeId);
    },
  };
}

export type Audiences = ReturnType<typeof createAudiences>;

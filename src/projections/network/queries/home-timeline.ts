import type { LogId, UserId } from '../../../events/ids.ts';
import type { Session } from '../../database.ts';
import type { Page, PageRange, PostRow } from '../../read-model.ts';
import { readPostPage } from './read-post-page.ts';

/**
 * Posts of the viewer and of whom the viewer follows, merged at read: the newest places of each author from an index, the newest of those, and only
 * then the rows. Its cost depends on how many the viewer follows, and on nothing else.
 */
export function readHomeTimeline(session: Session, logId: LogId, viewer: UserId, range: PageRange): Promise<Page<PostRow>> {
  const newestOf = (condition: string, rest: string) => `
    select newest.place from authors cross join lateral (select place from network.posts where author_id = authors.id and ${condition} ${rest}) newest`;
  return readPostPage(
    session,
    logId,
    {
      name: 'home-timeline',
      values: [viewer],
      before: 'authors as (select $3::uuid as id union all select followee from network.follows where follower = $3),',
      page: ({ direction, limit }) => `
        select posts.* from (
          ${newestOf('place < $1 and place > $2', `order by place ${direction} limit ${limit}`)} order by place ${direction} limit ${limit}
        ) places join network.posts on posts.place = places.place`,
      exists: (condition) => `exists (${newestOf(`place ${condition}`, 'limit 1')})`,
    },
    range,
  );
}

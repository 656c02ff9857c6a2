import type { LogId } from '../../../events/ids.ts';
import type { Session } from '../../database.ts';
import type { Page, PageRange, PostRow } from '../../read-model.ts';
import { readPostPage } from './read-post-page.ts';

export function readPublicTimeline(session: Session, logId: LogId, range: PageRange): Promise<Page<PostRow>> {
  return readPostPage(
    session,
    logId,
    {
      name: 'public-timeline',
      values: [],
      page: ({ direction, limit }) =>
        `select * from network.posts where place < $1 and place > $2 order by place ${direction} limit ${limit}`,
      exists: (condition) => `exists (select from network.posts where place ${condition})`,
    },
    range,
  );
}

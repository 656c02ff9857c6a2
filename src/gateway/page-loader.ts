import DataLoader from 'dataloader';
import type { UserId } from '../events/ids.ts';
import { placeOf } from '../events/position.ts';
import type { Page, PageRange } from '../projections/read-model.ts';

/** Pages of a list that each user has: the same range of many users is read at once. */
export interface PageLoader<Row> {
  load(user: UserId, range: PageRange): Promise<Page<Row>>;
}

export function createPageLoader<Row>(read: (users: readonly UserId[], range: PageRange) => Promise<Page<Row>[]>): PageLoader<Row> {
  const byRange = new Map<string, DataLoader<UserId, Page<Row>>>();
  return {
    load(user, range) {
      const key = keyOf(range);
      let loader = byRange.get(key);
      if (loader === undefined) byRange.set(key, (loader = new DataLoader((users) => read(users, range))));
      return loader.load(user);
    },
  };
}

function keyOf({ take, count, after, before }: PageRange): string {
  return [take, count, after && placeOf(after), before && placeOf(before)].join(' ');
}

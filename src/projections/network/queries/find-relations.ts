import type { UserId } from '../../../events/ids.ts';
import { plainArray } from '../../array-literals.ts';
import type { Session } from '../../database.ts';

/** For each of `others`, in their order: does `viewer` follow them, do they follow `viewer`? */
export async function findRelations(
  session: Session,
  viewer: UserId,
  others: readonly UserId[],
): Promise<{ follows: boolean; followedBy: boolean }[]> {
  if (others.length === 0) return [];
  const found = await session.query<{ follows: boolean; followed_by: boolean }>({
    name: 'relations',
    text: `
      select
        exists (select from network.follows where follower = $1 and followee = other.id) as follows,
        exists (select from network.follows where follower = other.id and followee = $1) as followed_by
      from unnest($2::uuid[]) with ordinality as other (id, number) order by other.number`,
    values: [viewer, plainArray(others)],
  });
  return found.map(({ follows, followed_by }) => ({ follows, followedBy: followed_by }));
}

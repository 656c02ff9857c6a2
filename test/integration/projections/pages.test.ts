import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PostId, UserId } from '../../../src/events/ids.ts';
import { comparePositions } from '../../../src/events/position.ts';
import type { Position } from '../../../src/events/position.ts';
import type { Page, PageRange, PostRow, RelatedUserRow } from '../../../src/projections/read-model.ts';
import { networkProjection } from '../../../src/projections/network/projection.ts';
import { usePostgres } from './setup.ts';
import { createWriter, postIdOf } from './writer.ts';
import type { Writer } from './writer.ts';

const postgres = usePostgres();
const users = 6;

type Action =
  | { readonly kind: 'follow' | 'unfollow'; readonly from: number; readonly to: number }
  | { readonly kind: 'post'; readonly from: number }
  | { readonly kind: 'remove'; readonly nth: number };

const user = fc.integer({ min: 0, max: users - 1 });
const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('post' as const), from: user }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('follow' as const), from: user, to: user }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('unfollow' as const), from: user, to: user }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('remove' as const), nth: fc.nat(40) }) },
);

interface Entry<Id> {
  readonly id: Id;
  readonly by: number;
  readonly position: Position;
}

/** The network as a child would keep it: two lists. */
class Model {
  posts: Entry<PostId>[] = [];
  follows: { from: number; to: number; position: Position }[] = [];
  last: Position | undefined;
  made = 0;

  async carryOut(writer: Writer, each: Action): Promise<void> {
    if (each.kind === 'post') {
      this.made += 1;
      const id = postIdOf(this.made);
      this.last = await writer.post(each.from, this.made);
      this.posts.push({ id, by: each.from, position: this.last });
    } else if (each.kind === 'remove') {
      const post = this.posts[each.nth];
      if (post === undefined) return;
      this.last = await writer.remove(post.by, Number.parseInt(post.id.slice(-12), 16));
      this.posts = this.posts.filter((other) => other !== post);
    } else {
      const found = this.follows.find(({ from, to }) => from === each.from && to === each.to);
      if (each.from === each.to || (found !== undefined) === (each.kind === 'follow')) return;
      this.last = await (each.kind === 'follow' ? writer.follow(each.from, each.to) : writer.unfollow(each.from, each.to));
      if (each.kind === 'follow') this.follows.push({ from: each.from, to: each.to, position: this.last });
      else this.follows = this.follows.filter((other) => other !== found);
    }
  }
}

interface Listed {
  readonly key: string;
  readonly position: Position;
}

/** The page that the list, newest first, must give for a range. */
function expectedPage(list: readonly Listed[], range: PageRange) {
  const sorted = list.toSorted((a, b) => comparePositions(b.position, a.position));
  const inside = sorted.filter(
    ({ position }) =>
      (range.after === undefined || comparePositions(position, range.after) < 0) &&
      (range.before === undefined || comparePositions(position, range.before) > 0),
  );
  const rows = range.take === 'first' ? inside.slice(0, range.count) : inside.slice(Math.max(0, inside.length - range.count));
  const older = range.before !== undefined && sorted.some(({ position }) => comparePositions(position, range.before!) <= 0);
  const newer = range.after !== undefined && sorted.some(({ position }) => comparePositions(position, range.after!) >= 0);
  const more = inside.length > range.count;
  return {
    keys: rows.map(({ key }) => key),
    hasNextPage: (range.take === 'first' && more) || older,
    hasPreviousPage: (range.take === 'last' && more) || newer,
  };
}

const shownPosts = (page: Page<PostRow>) => ({
  keys: page.rows.map(({ id }) => id as string),
  hasNextPage: page.hasNextPage,
  hasPreviousPage: page.hasPreviousPage,
});
const shownUsers = (page: Page<RelatedUserRow>) => ({
  keys: page.rows.map((row) => row.user.id as string),
  hasNextPage: page.hasNextPage,
  hasPreviousPage: page.hasPreviousPage,
});

describe('pages', () => {
  it('show what a simple model of the network shows, in both directions, with exact counts', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(action, { minLength: 1, maxLength: 60 }),
        fc.array(
          fc.record({
            take: fc.constantFrom('first' as const, 'last' as const),
            count: fc.integer({ min: 1, max: 6 }),
            after: fc.nat(60),
            before: fc.nat(60),
          }),
          {
            minLength: 3,
            maxLength: 3,
          },
        ),
        async (actions, ranges) => {
          const writer = createWriter();
          const model = new Model();
          for (let number = 0; number < users; number += 1) model.last = await writer.register(number);
          // Half is there before the projection starts, so that it comes in one batch; the rest comes as it happens.
          const half = Math.floor(actions.length / 2);
          for (const each of actions.slice(0, half)) await model.carryOut(writer, each);
          const { readModel, reach, running, caughtUp } = await postgres.project(writer.log, [networkProjection]);
          for (const each of actions.slice(half)) await model.carryOut(writer, each);
          await reach(model.last!);

          const rows = await readModel.usersById(Array.from({ length: users }, (_, number) => writer.userId(number)));
          for (const [number, row] of rows.entries()) {
            expect(row).toMatchObject({
              postCount: model.posts.filter(({ by }) => by === number).length,
              followerCount: model.follows.filter(({ to }) => to === number).length,
              followingCount: model.follows.filter(({ from }) => from === number).length,
            });
          }
          const places = [...model.posts, ...model.follows].map(({ position }) => position);
          for (const { take, count, after, before } of [{ take: 'first' as const, count: 100, after: 999, before: 999 }, ...ranges]) {
            const range: PageRange = {
              take,
              count,
              ...(places[after] && { after: places[after] }),
              ...(places[before] && { before: places[before] }),
            };
            const listed = (posts: readonly Entry<PostId>[]) => posts.map(({ id, position }) => ({ key: id as string, position }));
            expect(shownPosts(await readModel.publicTimeline(range))).toEqual(expectedPage(listed(model.posts), range));
            for (let number = 0; number < users; number += 1) {
              const id: UserId = writer.userId(number);
              const seen = new Set([number, ...model.follows.filter(({ from }) => from === number).map(({ to }) => to)]);
              const home = await readModel.homeTimeline(id, range);
              expect(shownPosts(home)).toEqual(expectedPage(listed(model.posts.filter(({ by }) => seen.has(by))), range));
              expect(home.position).toEqual(model.last);
              expect(shownPosts(await readModel.userTimeline(id, range))).toEqual(
                expectedPage(listed(model.posts.filter(({ by }) => by === number)), range),
              );
              const followers = model.follows
                .filter(({ to }) => to === number)
                .map(({ from, position }) => ({ key: writer.userId(from) as string, position }));
              expect(shownUsers(await readModel.followers(id, range))).toEqual(expectedPage(followers, range));
              const following = model.follows
                .filter(({ from }) => from === number)
                .map(({ to, position }) => ({ key: writer.userId(to) as string, position }));
              expect(shownUsers(await readModel.following(id, range))).toEqual(expectedPage(following, range));
            }
          }
          caughtUp.close();
          await Promise.all(running.map((each) => each.stop()));
        },
      ),
      { numRuns: 12 },
    );
  });
});

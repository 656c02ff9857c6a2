import { describe, expect, it } from 'vitest';
import { positionOf } from '../../../src/events/position.ts';
import type { RecordedCommit } from '../../../src/events/event-log.ts';
import type { PostId, UserId } from '../../../src/events/ids.ts';
import { inSchema } from '../../../src/projections/projection.ts';
import { networkProjection } from '../../../src/projections/network/projection.ts';
import type { PageRange } from '../../../src/projections/read-model.ts';
import { usePostgres } from './setup.ts';
import { createWriter, postIdOf, startTime } from './writer.ts';

const postgres = usePostgres();
const newest = (count = 20): PageRange => ({ take: 'first', count });

describe('network', () => {
  it('shows users, follows and posts with exact counts', async () => {
    const writer = createWriter();
    const { readModel, reach } = await postgres.project(writer.log, [networkProjection]);
    const registered = await writer.register(1);
    await writer.register(2);
    await writer.register(3);
    await writer.follow(1, 2);
    const followed = await writer.follow(3, 2);
    await writer.follow(1, 3);
    await writer.unfollow(1, 3);
    await writer.post(2, 1, 'a "quoted" \\ {text}, é 💩 ناصر');
    await writer.post(2, 2);
    await writer.post(1, 3);
    await reach(await writer.remove(2, 2));

    const [one, two] = await readModel.usersById([writer.userId(1), writer.userId(2)]);
    expect(one).toEqual({
      id: writer.userId(1),
      handle: 'user_1',
      name: 'Nr. 1 "\\é💩',
      bio: '',
      createdAt: startTime + 1,
      postCount: 1,
      followerCount: 0,
      followingCount: 1,
    });
    expect(two).toMatchObject({ postCount: 1, followerCount: 2, followingCount: 0 });
    expect(await readModel.userByHandle(one!.handle)).toEqual(one);
    expect(await readModel.credentials(one!.handle)).toEqual({ userId: one!.id, passwordHash: 'hash 1' });
    expect(await readModel.usersById([writer.userId(9), writer.userId(2)])).toEqual([null, two]);
    expect(await readModel.userByHandle('nobody' as typeof one extends null ? never : NonNullable<typeof one>['handle'])).toBeNull();

    const followers = await readModel.followers(writer.userId(2), newest());
    expect(followers.rows.map(({ user }) => user.handle)).toEqual(['user_3', 'user_1']);
    expect(followers.rows[0]).toMatchObject({ position: followed, followedAt: startTime + 5 });
    expect((await readModel.following(writer.userId(1), newest())).rows.map(({ user }) => user.handle)).toEqual(['user_2']);
    expect(await readModel.relations(writer.userId(1), [writer.userId(3), writer.userId(2)])).toEqual([
      { follows: false, followedBy: false },
      { follows: true, followedBy: false },
    ]);

    const home = await readModel.homeTimeline(writer.userId(1), newest());
    expect(home.rows.map(({ id }) => id)).toEqual([postIdOf(3), postIdOf(1)]);
    expect(home.rows[1]).toMatchObject({ text: 'a "quoted" \\ {text}, é 💩 ناصر', author: two });
    expect((await readModel.publicTimeline(newest())).rows.map(({ id }) => id)).toEqual([postIdOf(3), postIdOf(1)]);
    expect((await readModel.userTimeline(writer.userId(2), newest())).rows.map(({ id }) => id)).toEqual([postIdOf(1)]);
    expect(await readModel.postsById([postIdOf(2), postIdOf(3)])).toEqual([null, home.rows[0]]);
    expect(registered).toEqual(positionOf(writer.log.id, 1024n));
  });

  it('takes out what was undone later, and nothing else', async () => {
    const writer = createWriter();
    const { database, readModel, reach } = await postgres.project(writer.log, [networkProjection]);
    for (let user = 1; user <= 4; user += 1) await writer.register(user);
    await writer.follow(1, 2);
    await writer.follow(1, 3);
    await writer.follow(4, 2);
    await writer.follow(4, 3);
    await writer.post(2, 1);
    await writer.post(2, 2);
    await reach(await writer.post(3, 3));
    await writer.unfollow(1, 2);
    await writer.unfollow(4, 3);
    await reach(await writer.remove(2, 1));

    const numberOf = new Map([1, 2, 3, 4].map((user) => [writer.userId(user), user]));
    const follows = await database.query<{ follower: UserId; followee: UserId }>({ text: 'select * from network.follows order by place' });
    expect(follows.map(({ follower, followee }) => [numberOf.get(follower), numberOf.get(followee)])).toEqual([
      [1, 3],
      [4, 2],
    ]);
    expect(await readModel.relations(writer.userId(2), [writer.userId(1), writer.userId(4)])).toEqual([
      { follows: false, followedBy: false },
      { follows: false, followedBy: true },
    ]);
    expect(await readModel.relations(writer.userId(4), [writer.userId(3), writer.userId(2)])).toEqual([
      { follows: false, followedBy: false },
      { follows: true, followedBy: false },
    ]);
    const posts = await database.query<{ id: PostId }>({ text: 'select id from network.posts order by place' });
    expect(posts.map(({ id }) => id)).toEqual([postIdOf(2), postIdOf(3)]);
    const counts = 'select follower_count, following_count, post_count from network.users order by place';
    expect((await database.query<Record<string, string>>({ text: counts })).map((row) => Object.values(row).map(Number))).toEqual([
      [0, 1, 0],
      [1, 0, 1],
      [1, 0, 1],
      [0, 1, 0],
    ]);
  });

  it('says that nothing is there before the first event', async () => {
    const writer = createWriter();
    const { readModel } = await postgres.project(writer.log);
    const empty = { rows: [], hasNextPage: false, hasPreviousPage: false, position: null };
    expect(await readModel.publicTimeline(newest())).toEqual(empty);
    expect(await readModel.homeTimeline(writer.userId(1), newest())).toEqual(empty);
    expect(await readModel.followers(writer.userId(1), newest())).toEqual(empty);
    expect(await readModel.runs(newest())).toEqual(empty);
    expect(await readModel.position('network')).toBeNull();
    expect(await readModel.statistics()).toEqual({ amount: 0, elapsedSeconds: 0, position: null });
    expect(await readModel.homeHandOver(writer.userId(1), undefined, 10)).toEqual({ position: null, followees: [], entries: [] });
  });

  it('says with every page, an empty one too, the position it was read at', async () => {
    const writer = createWriter();
    const { readModel, reach } = await postgres.project(writer.log, [networkProjection]);
    await writer.register(1);
    const position = await writer.register(2);
    await reach(position);
    expect((await readModel.homeTimeline(writer.userId(1), newest())).position).toEqual(position);
    const posted = await writer.post(1, 1);
    await reach(posted);
    const page = await readModel.publicTimeline(newest());
    expect(page.position).toEqual(posted);
    expect(page.rows[0]!.position).toEqual(posted);
  });

  it('says with posts, also with none that is there, the position they were read at', async () => {
    const writer = createWriter();
    const { readModel, reach } = await postgres.project(writer.log, [networkProjection]);
    expect(await readModel.postsAsOf([postIdOf(1)])).toEqual({ position: null, posts: [null] });
    await writer.register(1);
    const position = await writer.post(1, 1);
    await reach(position);
    const post = expect.objectContaining({ id: postIdOf(1), position });
    expect(await readModel.postsAsOf([postIdOf(2)])).toEqual({ position, posts: [null] });
    expect(await readModel.postsAsOf([postIdOf(2), postIdOf(1), postIdOf(3)])).toEqual({ position, posts: [null, post, null] });
  });

  it('counts once whatever is applied twice, in other batches too', async () => {
    const writer = createWriter();
    for (let user = 1; user <= 4; user += 1) await writer.register(user);
    await writer.follow(1, 2);
    await writer.follow(2, 1);
    await writer.unfollow(1, 2);
    await writer.follow(1, 2);
    await writer.post(3, 1);
    await writer.post(3, 2);
    await writer.remove(3, 1);
    await writer.append('process-x' as never, [{ type: 'CommandNoted' }]);
    const commits: RecordedCommit[] = [];
    const aborting = new AbortController();
    for await (const batch of writer.log.subscribe('start', aborting.signal)) {
      commits.push(...batch);
      if (commits.length === 12) break;
    }
    aborting.abort();
    const database = await postgres.createDatabase();
    await database.query({ text: 'create schema network' });
    await database.query({ text: inSchema(networkProjection.tablesSql + networkProjection.indexesSql, 'network') });
    const rows = async () => {
      const tables = networkProjection.tables.map((table) => database.query({ text: `select * from network.${table} order by 1, 2` }));
      return Promise.all(tables);
    };
    const apply = (some: RecordedCommit[]) => database.transaction({}, (session) => networkProjection.write(session, 'network', some));
    await apply(commits);
    const once = await rows();
    await apply(commits);
    expect(await rows()).toEqual(once);
    for (const commit of commits) await apply([commit]);
    expect(await rows()).toEqual(once);
    await apply(commits.slice(4, 7));
    await apply(commits.slice(6));
    expect(await rows()).toEqual(once);
  });

  it('hands over followees and the entries after a cursor, from one snapshot', async () => {
    const writer = createWriter();
    const { readModel, reach } = await postgres.project(writer.log, [networkProjection]);
    for (let user = 1; user <= 3; user += 1) await writer.register(user);
    await writer.follow(1, 2);
    const cursor = await writer.post(2, 1);
    await writer.post(3, 2);
    await writer.post(1, 3);
    await writer.post(2, 4);
    const last = await writer.post(2, 5);
    await reach(last);
    const home = await readModel.homeHandOver(writer.userId(1), cursor, 2);
    expect(home).toMatchObject({ position: last, followees: [writer.userId(2)] });
    expect(home.entries.map(({ id }) => id)).toEqual([postIdOf(3), postIdOf(4), postIdOf(5)]);
    const fewer = await readModel.homeHandOver(writer.userId(1), cursor, 1);
    expect(fewer.entries).toHaveLength(2);
    expect((await readModel.homeHandOver(writer.userId(1), undefined, 2)).entries).toEqual([]);
    expect((await readModel.homeHandOver(writer.userId(1), last, 2)).entries).toEqual([]);
    const user = await readModel.userHandOver(writer.userId(2), cursor, 10);
    expect(user.entries.map(({ id }) => id)).toEqual([postIdOf(4), postIdOf(5)]);
    expect(user).toMatchObject({ position: last, followees: [] });
  });
});

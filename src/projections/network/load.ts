import type { RecordedCommit } from '../../events/event-log.ts';
import { plainArray, textArray } from '../array-literals.ts';
import type { Session, Statement } from '../database.ts';
import { placeOfEvent } from '../places.ts';
import { inSchema } from '../projection.ts';
import type { SchemaName } from '../projection.ts';
import { foldNetwork } from './fold.ts';

/** A load only adds rows, to tables without keys: what was undone later is noted with them. */
export function prepareLoadingNetwork(schema: SchemaName, commits: readonly RecordedCommit[]): (session: Session) => Promise<void> {
  const { registered, followed, unfollowed, created, deleted } = foldNetwork(commits);
  const statements: Statement[] = [];
  const add = (name: string, sql: string, values: string[]) =>
    statements.push({ name: `${schema} load ${name}`, text: inSchema(sql, schema), values });
  if (registered.length > 0) {
    add(
      'users',
      'insert into schema.loaded_users select * from unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[])',
      [
        plainArray(registered.map(({ id }) => id)),
        plainArray(registered.map(({ place }) => place)),
        plainArray(registered.map(({ time }) => time)),
        plainArray(registered.map(({ event }) => event.handle)),
        textArray(registered.map(({ event }) => event.name)),
        textArray(registered.map(({ event }) => event.passwordHash)),
      ],
    );
  }
  if (unfollowed.length > 0) {
    // Undoes what earlier batches have added; in this one the fold has left out what was undone.
    const before = placeOfEvent(commits[0]!.commit, 0);
    add('unfollows', 'insert into schema.undone_follows select *, $3::bigint from unnest($1::uuid[], $2::uuid[])', [
      plainArray(unfollowed.map(({ follower }) => follower)),
      plainArray(unfollowed.map(({ followee }) => followee)),
      String(before),
    ]);
  }
  if (followed.length > 0) {
    add('follows', 'insert into schema.follows select * from unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[])', [
      plainArray(followed.map(({ follower }) => follower)),
      plainArray(followed.map(({ followee }) => followee)),
      plainArray(followed.map(({ place }) => place)),
      plainArray(followed.map(({ time }) => time)),
    ]);
  }
  if (created.length > 0) {
    add(
      'posts',
      'insert into schema.posts select * from unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[], $5::uuid[], $6::text[])',
      [
        plainArray(created.map(({ event }) => event.postId)),
        plainArray(created.map(({ author }) => author)),
        plainArray(created.map(({ place }) => place)),
        plainArray(created.map(({ time }) => time)),
        plainArray(created.map(({ event }) => event.inReplyTo?.postId ?? null)),
        textArray(created.map(({ event }) => event.text)),
      ],
    );
  }
  if (deleted.length > 0) {
    add('deletions', 'insert into schema.undone_posts select * from unnest($1::uuid[], $2::uuid[])', [
      plainArray(deleted.map(({ postId }) => postId)),
      plainArray(deleted.map(({ author }) => author)),
    ]);
  }
  return async (session) => {
    for (const statement of statements) await session.query(statement);
  };
}

/** Takes out what was undone, then adds the users with their counts, each in one pass over the rows. */
export async function finishLoadingNetwork(session: Session, schema: SchemaName): Promise<void> {
  for (const sql of [
    `delete from schema.follows using schema.undone_follows undone
     where follows.follower = undone.follower and follows.followee = undone.followee and follows.place < undone.place`,
    'delete from schema.posts using schema.undone_posts undone where posts.id = undone.id and posts.author_id = undone.author_id',
    `insert into schema.users (id, place, created_at, post_count, follower_count, following_count, handle, name, bio, password_hash)
     select loaded.id, loaded.place, loaded.created_at, coalesce(posts, 0), coalesce(followers, 0), coalesce(following_count.following, 0), handle, name, '', password_hash
     from schema.loaded_users loaded
     left join (select author_id as id, count(*) as posts from schema.posts group by 1) as posting on posting.id = loaded.id
     left join (select followee as id, count(*) as followers from schema.follows group by 1) as followed on followed.id = loaded.id
     left join (select follower as id, count(*) as following from schema.follows group by 1) as following_count on following_count.id = loaded.id`,
    'drop table schema.loaded_users, schema.undone_follows, schema.undone_posts',
  ]) {
    await session.query({ text: inSchema(sql, schema) });
  }
}

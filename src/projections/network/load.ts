import type { RecordedCommit } from '../../events/event-log.ts';
import { userOfStream } from '../../events/ids.ts';
import { plainArray, textArray } from '../array-literals.ts';
import type { Statement } from '../database.ts';
import { placeOfEvent } from '../places.ts';
import { inSchema } from '../projection.ts';
import type { AfterLoad, Loader, SchemaName } from '../projection.ts';

/** A load only adds rows, to tables without keys: what was undone later is noted with them. */
export function loadNetwork(schema: SchemaName): Loader {
  const users = gatherRows(schema, 'loaded_users', ['uuid', 'bigint', 'bigint', 'text', 'text', 'text']);
  const follows = gatherRows(schema, 'follows', ['uuid', 'uuid', 'bigint', 'bigint']);
  const unfollows = gatherRows(schema, 'undone_follows', ['uuid', 'uuid', 'bigint']);
  const posts = gatherRows(schema, 'posts', ['uuid', 'uuid', 'bigint', 'bigint', 'uuid', 'text']);
  const deletions = gatherRows(schema, 'undone_posts', ['uuid', 'uuid']);

  return {
    add({ commit, stream, time, events }: RecordedCommit) {
      const user = userOfStream(stream);
      if (user === undefined) return;
      for (const [index, event] of events.entries()) {
        const place = placeOfEvent(commit, index);
        switch (event.type) {
          case 'UserRegistered':
            users.add(user, place, time, event.handle, event.name, event.passwordHash);
            break;
          case 'UserFollowed':
            follows.add(user, event.followeeId, place, time);
            break;
          case 'UserUnfollowed':
            unfollows.add(user, event.followeeId, place);
            break;
          case 'PostCreated':
            posts.add(event.postId, user, place, time, event.inReplyTo?.postId ?? null, event.text);
            break;
          case 'PostDeleted':
            deletions.add(event.postId, user);
            break;
          case 'CommandNoted':
          case 'RunStarted':
          case 'RunEnded':
            break;
        }
      }
    },
    take() {
      const statements = [users, follows, unfollows, posts, deletions].flatMap((rows) => rows.take() ?? []);
      return async (session) => {
        for (const statement of statements) await session.query(statement);
      };
    },
  };
}

type Value = string | number | null;

/** Rows of one table, column by column, as one statement inserts them. */
function gatherRows(schema: SchemaName, table: string, types: readonly ('uuid' | 'bigint' | 'text')[]) {
  const arrays = types.map((type, column) => `$${column + 1}::${type}[]`).join(', ');
  const text = inSchema(`insert into schema.${table} select * from unnest(${arrays})`, schema);
  let columns: Value[][] = types.map(() => []);
  return {
    add(...row: Value[]): void {
      for (let column = 0; column < columns.length; column += 1) columns[column]!.push(row[column]!);
    },
    /** Undefined when there are none. */
    take(): Statement | undefined {
      if (columns[0]!.length === 0) return undefined;
      const values = columns.map((column, at) => (types[at] === 'text' ? textArray(column as string[]) : plainArray(column)));
      columns = types.map(() => []);
      return { name: `${schema} load ${table}`, text, values };
    },
  };
}

/** What was undone is taken out, then come the users with their counts, each in one pass over the rows. */
export const afterLoadingNetwork: AfterLoad = {
  undo: [
    `delete from schema.follows using schema.undone_follows undone
     where follows.follower = undone.follower and follows.followee = undone.followee and follows.place < undone.place`,
    'delete from schema.posts using schema.undone_posts undone where posts.id = undone.id and posts.author_id = undone.author_id',
  ],
  sum: [
    `insert into schema.users (id, place, created_at, post_count, follower_count, following_count, handle, name, bio, password_hash)
     select loaded.id, loaded.place, loaded.created_at, coalesce(posts, 0), coalesce(followers, 0), coalesce(following_count.following, 0), handle, name, '', password_hash
     from schema.loaded_users loaded
     left join (select author_id as id, count(*) as posts from schema.posts group by 1) as posting on posting.id = loaded.id
     left join (select followee as id, count(*) as followers from schema.follows group by 1) as followed on followed.id = loaded.id
     left join (select follower as id, count(*) as following from schema.follows group by 1) as following_count on following_count.id = loaded.id`,
    'drop table schema.loaded_users, schema.undone_follows, schema.undone_posts',
  ],
  summed: ['users'],
};

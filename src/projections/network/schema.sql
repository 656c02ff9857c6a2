-- Users, who follows whom, and posts; keys stand with the other indexes, since a replay makes them after loading. `place` is the place in the log of the event that made the row; times are milliseconds since the epoch.
-- Room is left on the pages of users, whose counts change with every post and follow: such an update then touches no index.
create table schema.users (
  id uuid not null,
  place bigint not null,
  created_at bigint not null,
  post_count bigint not null,
  follower_count bigint not null,
  following_count bigint not null,
  handle text collate "C" not null,
  name text not null,
  bio text not null,
  password_hash text not null
) with (fillfactor = 80);

create table schema.follows (
  follower uuid not null,
  followee uuid not null,
  place bigint not null,
  followed_at bigint not null
);

create table schema.posts (
  id uuid not null,
  author_id uuid not null,
  place bigint not null,
  created_at bigint not null,
  in_reply_to uuid,
  text text not null
);

-- Beside the tables while a replay loads them: users before their posts and follows are counted, and what was undone later.
create unlogged table schema.loaded_users (
  id uuid not null,
  place bigint not null,
  created_at bigint not null,
  handle text collate "C" not null,
  name text not null,
  password_hash text not null
);
create unlogged table schema.undone_follows (follower uuid not null, followee uuid not null, place bigint not null);
create unlogged table schema.undone_posts (id uuid not null, author_id uuid not null);

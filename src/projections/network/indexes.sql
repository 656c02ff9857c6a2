alter table schema.users add primary key (id);
alter table schema.follows add primary key (follower, followee);
alter table schema.posts add primary key (id);
create unique index users_by_handle on schema.users (handle);
create index followers_by_place on schema.follows (followee, place);
create index following_by_place on schema.follows (follower, place);
create unique index posts_by_place on schema.posts (place);
create index posts_by_author on schema.posts (author_id, place);

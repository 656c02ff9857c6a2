-- What each batch of a replay counted, before it is summed up.
create unlogged table schema.loaded_seconds (run_id uuid not null, second bigint not null, type text collate "C" not null, amount bigint not null, place bigint not null);

-- What belongs to the system as a whole, outside of the schemas that a replay swaps. Times are milliseconds since the epoch.

-- Where each projection stands. A runner owns an epoch and commits only while it is still the current one.
create table starling.checkpoints (
  -- The name of the schema: a projection, or its shadow while it is built, or the one before the last swap.
  projection text primary key,
  log_id uuid not null,
  -- Version of the projection's code that made the rows.
  version integer not null,
  epoch bigint not null,
  -- Rises with each swap: a runner that loses its epoch to a swap goes on with what was swapped in.
  generation bigint not null default 0,
  -- Place of the last event applied; null before the first.
  place bigint
);

create table starling.sessions (
  token_hash bytea primary key,
  user_id uuid not null,
  created_at bigint not null,
  expires_at bigint not null
);
create index sessions_by_expiry on starling.sessions (expires_at);
create index sessions_by_user on starling.sessions (user_id);

-- Shared by all gateways. `key` is a hash of a handle or of an address, never the thing itself.
create table starling.log_in_attempts (
  key bytea primary key,
  window_start bigint not null,
  count integer not null
);
create index log_in_attempts_by_window on starling.log_in_attempts (window_start);

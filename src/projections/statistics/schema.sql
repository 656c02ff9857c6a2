-- What happened in each run. Times are milliseconds since the epoch.
create table schema.runs (
  id uuid primary key,
  place bigint not null,
  started_at bigint not null,
  -- Null while it is open.
  ended_at bigint,
  -- Time of the last event counted; null before the first.
  last_event_at bigint,
  label text not null
);

-- `place`: of the last event counted in this row, so that no event counts twice.
create table schema.seconds (
  run_id uuid not null,
  second bigint not null,
  type text collate "C" not null,
  amount bigint not null,
  place bigint not null
);

-- Sums over the seconds of a run, kept with them, since a long run has many.
create table schema.types (
  run_id uuid not null,
  type text collate "C" not null,
  amount bigint not null,
  peak bigint not null
);

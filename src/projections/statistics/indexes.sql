create unique index runs_by_place on schema.runs (place);
create unique index seconds_pkey on schema.seconds (run_id, second, type);
create unique index types_pkey on schema.types (run_id, type);
alter table schema.seconds add primary key using index seconds_pkey;
alter table schema.types add primary key using index types_pkey;

create unique index runs_by_place on schema.runs (place);
alter table schema.seconds add primary key (run_id, second, type);
alter table schema.types add primary key (run_id, type);

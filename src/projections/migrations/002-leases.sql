-- Which node applies each projection. Whether a lease is over is judged by the clock of this server alone; that a former holder writes nothing any more
-- rests on the epochs of the checkpoints, not on this. What the holder reports stands here for every gateway to read.
create table starling.leases (
  projection text primary key,
  node_id text not null,
  expires_at timestamptz not null,
  -- The holder's sessions can be seen under its name: then none of them left means that it is dead.
  seen boolean not null,
  events_per_second double precision not null default 0,
  -- The event that the holder could not apply.
  stopped_by text
);

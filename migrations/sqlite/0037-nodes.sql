-- The processes that serve one database on PostgreSQL, and their leases (docs/decisions/0085). A depot on SQLite is one process, and has no row
-- here. `id` is new at each start of a node. `lease_until` is for people; no program compares it with a clock.
CREATE TABLE nodes (
  id          TEXT    PRIMARY KEY,
  name        TEXT    NOT NULL,
  version     TEXT    NOT NULL,
  started_at  INTEGER NOT NULL,
  renewal     INTEGER NOT NULL,
  applied     INTEGER NOT NULL,
  lease_until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

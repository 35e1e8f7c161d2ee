-- What the wall clock said, where commit time was more than a minute ahead of it: durations are measured by the clock.
ALTER TABLE ledger ADD COLUMN clock INTEGER;

-- What the depot knows of itself, of each thing at most one.
CREATE TABLE depot_state (
  name  TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

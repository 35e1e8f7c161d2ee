-- A release that upstream names, and whose bytes have never been here. Its row is upstream's word. The row of its blob says that no
-- release needs the bytes and that they were removed, so nothing looks for them.
ALTER TABLE releases ADD COLUMN is_announced INTEGER NOT NULL DEFAULT 0 CHECK (is_announced IN (0, 1));

-- How up to date the channels of upstream origins are. It changes with each attempt to refresh one, so the ledger does not tell it.
CREATE TABLE refreshes (
  origin       TEXT    NOT NULL,
  channel      TEXT    NOT NULL,
  attempted_at INTEGER NOT NULL,
  refreshed_at INTEGER, -- when the channel last was what upstream had
  fault        TEXT,    -- why it is not, as a sentence
  removals     INTEGER NOT NULL DEFAULT 0, -- how many members a held refresh would remove
  PRIMARY KEY (origin, channel)
) STRICT, WITHOUT ROWID;

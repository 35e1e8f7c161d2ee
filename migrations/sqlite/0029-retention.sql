-- What keeps releases besides views and dependencies, and the rules by which the others are removed (docs/retention.md).

-- A pinned revision keeps the releases that were in the view then.
CREATE TABLE pins (
  view_id    INTEGER NOT NULL REFERENCES views (id),
  revision   INTEGER NOT NULL,
  reason     TEXT    NOT NULL,
  account_id INTEGER REFERENCES accounts (id),
  at         INTEGER NOT NULL,
  PRIMARY KEY (view_id, revision)
) STRICT, WITHOUT ROWID;

-- A registered lockfile keeps the releases that it lists. `digest` is the SHA-256 of its text; `view` and `revision` are those in the
-- text, perhaps of another depot.
CREATE TABLE registered_lockfiles (
  id         INTEGER PRIMARY KEY,
  name       TEXT    NOT NULL UNIQUE,
  digest     TEXT    NOT NULL,
  view       TEXT    NOT NULL,
  revision   INTEGER NOT NULL,
  account_id INTEGER REFERENCES accounts (id),
  at         INTEGER NOT NULL
) STRICT;

CREATE TABLE registered_releases (
  lockfile_id INTEGER NOT NULL REFERENCES registered_lockfiles (id),
  release_id  INTEGER NOT NULL REFERENCES releases (id),
  PRIMARY KEY (lockfile_id, release_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX registered_by_release ON registered_releases (release_id); -- which lockfiles keep a release

-- `scope` is `depot`, `origin NAME`, `package ORIGIN/NAME` or `view NAME`; `rule` is JSON (views/retention-rule.ts).
CREATE TABLE retention_rules (
  scope      TEXT    PRIMARY KEY,
  rule       TEXT    NOT NULL,
  account_id INTEGER REFERENCES accounts (id),
  at         INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- How long the bytes of a release stay after retention has removed it, counted from `unreferenced_since`. NULL for all other blobs.
ALTER TABLE blobs ADD COLUMN quarantine_ms INTEGER;

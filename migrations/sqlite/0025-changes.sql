-- What a pipeline does with one change of a project. `public_id` names the record to clients. `project` is origin/name, and all
-- releases of the change are of that origin. `targets` is JSON. `state` sums up the phases, so that lists can ask for it.
CREATE TABLE changes (
  id         INTEGER PRIMARY KEY,
  public_id  TEXT    NOT NULL UNIQUE,
  origin_id  INTEGER NOT NULL REFERENCES origins (id),
  project    TEXT    NOT NULL,
  change     TEXT    NOT NULL,
  commit_id  TEXT    NOT NULL,
  branch     TEXT,
  url        TEXT,
  targets    TEXT    NOT NULL,
  state      TEXT    NOT NULL CHECK (state IN ('recorded', 'running', 'failed', 'passed')),
  account_id INTEGER REFERENCES accounts (id),
  at         INTEGER NOT NULL
) STRICT;

CREATE INDEX changes_of_project ON changes (origin_id, project, id); -- the newest of a project
CREATE INDEX changes_named ON changes (change, id);                   -- which projects have this commit
CREATE INDEX changes_in_state ON changes (state, id);                 -- what failed lately

-- In the order in which they were added. A rebuild replaces the release of the same package and target: `replaced_by` is its position.
CREATE TABLE change_releases (
  change_id   INTEGER NOT NULL REFERENCES changes (id),
  position    INTEGER NOT NULL,
  release_id  INTEGER NOT NULL REFERENCES releases (id),
  replaced_by INTEGER,
  at          INTEGER NOT NULL,
  PRIMARY KEY (change_id, position)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX change_releases_by_release ON change_releases (release_id, change_id); -- to which changes a release belongs

-- The last report of each phase; the ledger has all of them. `view` is empty for phases of the whole change. The report is about the
-- first `releases` releases of the change.
CREATE TABLE change_phases (
  change_id  INTEGER NOT NULL REFERENCES changes (id),
  phase      TEXT    NOT NULL,
  view       TEXT    NOT NULL,
  status     TEXT    NOT NULL CHECK (status IN ('running', 'passed', 'failed', 'skipped', 'not_configured')),
  job        TEXT,
  message    TEXT,
  releases   INTEGER NOT NULL,
  account_id INTEGER REFERENCES accounts (id),
  at         INTEGER NOT NULL,
  PRIMARY KEY (change_id, phase, view)
) STRICT, WITHOUT ROWID;

CREATE INDEX change_phases_in_view ON change_phases (view, change_id); -- which changes came to a view

-- Who may run a phase. A row stays when its lease has ended, because fences only rise.
CREATE TABLE change_leases (
  change_id  INTEGER NOT NULL REFERENCES changes (id),
  phase      TEXT    NOT NULL,
  view       TEXT    NOT NULL,
  fence      INTEGER NOT NULL,
  holder     TEXT    NOT NULL,
  renewed_at INTEGER, -- NULL when the holder has ended it
  PRIMARY KEY (change_id, phase, view)
) STRICT, WITHOUT ROWID;

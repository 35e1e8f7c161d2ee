-- Named, versioned pointers into the releases. Members and pointers are intervals of revisions: a row holds from
-- `from_revision` until before `to_revision`, so that any past state is an index read.

-- `ungoverned` are the origins, as JSON, that answer below the view's URL from the channel asked for: the Supervisor's own binaries
-- live there.
CREATE TABLE views (
  id         INTEGER PRIMARY KEY,
  name       TEXT    NOT NULL UNIQUE,
  rule       TEXT    NOT NULL CHECK (rule IN ('promoted', 'highest')),
  maker      TEXT    NOT NULL CHECK (maker IN ('depot', 'operator', 'client')),
  revision   INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL,
  closed_at  INTEGER,
  ungoverned TEXT    NOT NULL DEFAULT '["core","chef"]'
) STRICT;

-- `position` is the place within its promotion, so that "promoted last" has one answer. A release that is promoted again
-- where that moves the pointer gets a new row.
CREATE TABLE members (
  view_id       INTEGER NOT NULL REFERENCES views (id),
  package_id    INTEGER NOT NULL REFERENCES packages (id),
  release_id    INTEGER NOT NULL REFERENCES releases (id),
  from_revision INTEGER NOT NULL,
  position      INTEGER NOT NULL,
  to_revision   INTEGER,
  PRIMARY KEY (view_id, package_id, release_id, from_revision)
) STRICT, WITHOUT ROWID;

-- one current membership per release; also: the members of one package, for the next pointer
CREATE UNIQUE INDEX members_current ON members (view_id, package_id, release_id) WHERE to_revision IS NULL;
CREATE INDEX members_by_release ON members (release_id, view_id) WHERE to_revision IS NULL; -- which views a release is in

CREATE TABLE pointers (
  view_id       INTEGER NOT NULL REFERENCES views (id),
  package_id    INTEGER NOT NULL REFERENCES packages (id),
  target        TEXT    NOT NULL,
  release_id    INTEGER NOT NULL REFERENCES releases (id),
  from_revision INTEGER NOT NULL,
  to_revision   INTEGER,
  PRIMARY KEY (view_id, package_id, target, from_revision)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX pointers_current ON pointers (view_id, package_id, target) WHERE to_revision IS NULL;

-- A view as one origin's Habitat clients know it. It exists for them while it is declared or the origin has a member there.
CREATE TABLE channels (
  id          INTEGER PRIMARY KEY,
  origin_id   INTEGER NOT NULL REFERENCES origins (id),
  view_id     INTEGER NOT NULL REFERENCES views (id),
  owner_id    INTEGER NOT NULL REFERENCES accounts (id),
  is_declared INTEGER NOT NULL CHECK (is_declared IN (0, 1)),
  created_at  INTEGER NOT NULL,
  updated_at  INTEGER NOT NULL,
  UNIQUE (origin_id, view_id)
) STRICT;

CREATE INDEX channels_by_view ON channels (view_id); -- does any origin still use a client-made view

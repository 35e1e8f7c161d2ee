-- What has been published. A release is immutable, but for its visibility. One that is deleted keeps its row, because the past of
-- views names it; its ident may then be published again.

CREATE TABLE packages (
  id        INTEGER PRIMARY KEY,
  origin_id INTEGER NOT NULL REFERENCES origins (id),
  name      TEXT    NOT NULL,
  UNIQUE (origin_id, name)
) STRICT;

-- The bytes, by the BLAKE2b-256 of the whole file. A row comes after its bytes are durable.
CREATE TABLE blobs (
  checksum           TEXT    PRIMARY KEY,
  size_bytes         INTEGER NOT NULL,
  created_at         INTEGER NOT NULL,
  unreferenced_since INTEGER
) STRICT, WITHOUT ROWID;

-- `ident` is the whole text origin/name/version/release, which requests ask for and lists sort by; order_key sorts the releases
-- of a package (package/version.ts); the lists of idents and numbers are JSON.
CREATE TABLE releases (
  id           INTEGER PRIMARY KEY,
  package_id   INTEGER NOT NULL REFERENCES packages (id),
  ident        TEXT    NOT NULL,
  target       TEXT    NOT NULL,
  version      TEXT    NOT NULL,
  order_key    TEXT    NOT NULL,
  visibility   TEXT    NOT NULL CHECK (visibility IN ('public', 'private', 'hidden')),
  checksum     TEXT    NOT NULL REFERENCES blobs (checksum),
  size_bytes   INTEGER NOT NULL,
  signer       TEXT    NOT NULL,
  is_verified  INTEGER NOT NULL CHECK (is_verified IN (0, 1)),
  publisher_id INTEGER NOT NULL REFERENCES accounts (id),
  package_type TEXT    NOT NULL,
  svc_user     TEXT,
  svc_group    TEXT,
  created_at   INTEGER NOT NULL,
  updated_at   INTEGER NOT NULL,
  deleted_at   INTEGER,
  exposes      TEXT    NOT NULL,
  deps         TEXT    NOT NULL,
  tdeps        TEXT    NOT NULL,
  build_deps   TEXT    NOT NULL,
  build_tdeps  TEXT    NOT NULL,
  config       TEXT    NOT NULL,
  manifest     TEXT    NOT NULL
) STRICT;

-- what requests ask for; what lists page through; and one of each ident and target that is not deleted
CREATE UNIQUE INDEX releases_by_ident ON releases (ident, target, COALESCE(deleted_at, 0));

CREATE INDEX releases_by_order ON releases (package_id, target, order_key); -- the highest of a package
CREATE INDEX releases_by_checksum ON releases (checksum);                   -- is a blob still needed

-- Lists read nothing but an index: rows are fat with manifests.
CREATE INDEX releases_listed ON releases (ident, visibility, package_id, target) WHERE deleted_at IS NULL;            -- idents by text
CREATE INDEX releases_of_package ON releases (package_id, target, visibility, version, ident) WHERE deleted_at IS NULL; -- versions, platforms
CREATE INDEX releases_not_public ON releases (package_id, target, ident) WHERE deleted_at IS NULL AND visibility <> 'public'; -- what polls must not betray
CREATE INDEX blobs_unneeded ON blobs (unreferenced_since) WHERE unreferenced_since IS NOT NULL;                       -- whose bytes may still be there

-- Who may speak for a name.

-- One that is deleted keeps its row, because the past of views names the packages it had; its name may be taken again.
CREATE TABLE origins (
  id                 INTEGER PRIMARY KEY,
  name               TEXT    NOT NULL UNIQUE,
  owner_id           INTEGER NOT NULL REFERENCES accounts (id),
  default_visibility TEXT    NOT NULL CHECK (default_visibility IN ('public', 'private', 'hidden')),
  created_at         INTEGER NOT NULL,
  updated_at         INTEGER NOT NULL,
  deleted_at         INTEGER
) STRICT;

CREATE TABLE origin_members (
  origin_id  INTEGER NOT NULL REFERENCES origins (id),
  account_id INTEGER NOT NULL REFERENCES accounts (id),
  role       TEXT    NOT NULL CHECK (role IN ('readonly_member', 'member', 'maintainer', 'administrator', 'owner')),
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  PRIMARY KEY (origin_id, account_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX origin_members_by_account ON origin_members (account_id); -- what a caller may, in one read

-- `body` is the key file as it came, because clients compare it byte by byte with the one they hold;
-- that of a secret key is encrypted (origins/secret-box.ts). `public` and `secret` sign packages, the box keys encrypt secrets.
CREATE TABLE origin_keys (
  id         INTEGER PRIMARY KEY,
  origin_id  INTEGER NOT NULL REFERENCES origins (id),
  kind       TEXT    NOT NULL CHECK (kind IN ('public', 'secret', 'box_public', 'box_secret')),
  revision   TEXT    NOT NULL,
  body       TEXT    NOT NULL,
  owner_id   INTEGER NOT NULL REFERENCES accounts (id),
  created_at INTEGER NOT NULL,
  UNIQUE (origin_id, kind, revision)
) STRICT;
